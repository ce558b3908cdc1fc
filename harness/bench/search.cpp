#include "harness/bench/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "harness/check/trial.h"
#include "harness/runtime/jit_code.h"

namespace assay {
namespace {

/// Every vector of the contract's values; its own first, as none.
std::vector<std::vector<size_t>> parameter_vectors(const assay_contract& contract) {
  std::vector<std::vector<size_t>> vectors = {{}};
  for (const assay_parameter* p = contract.parameters; p->name != nullptr; ++p) {
    std::vector<std::vector<size_t>> longer;
    for (const auto& vector : vectors) {
      longer.push_back(vector);
      longer.back().push_back(p->value);
      for (size_t i = 0; i < p->n_others; ++i) {
        longer.push_back(vector);
        longer.back().push_back(p->others[i]);
      }
    }
    vectors = std::move(longer);
  }
  vectors.front().clear();
  return vectors;
}

/// What a generator makes for a shape.
std::string code_of(const Variant& variant, const Kernel& kernel, const Shape& shape) {
  const JitCode code(variant, kernel.key(shape, variant.parameters));
  return {reinterpret_cast<const char*>(code.entry()), code.size()};
}

/// The generated variants among those that passed, with each vector that makes other code there: of many tokens, say, nothing is prefetched.
/// Those with other values than the contract's pass at the shape first.
std::vector<const Variant*> candidates_for(const Cpu& cpu, const Kernel& kernel,
                                           const std::vector<const Variant*>& passing, const Shape& shape,
                                           uint64_t seed, SearchResult& result) {
  constexpr double kTimeout = 60;
  std::vector<const Variant*> candidates;
  for (const Variant* variant : passing) {
    if (!variant->jit) {
      continue;
    }
    std::set<std::string> codes;
    for (const auto& parameters : parameter_vectors(*kernel.contract)) {
      const Variant& candidate = with_parameters(*variant, parameters);
      if (!codes.insert(code_of(candidate, kernel, shape)).second) {
        continue;
      }
      if (!parameters.empty()) {
        const Verdict verdict = check_case(cpu, shape_case(candidate, seed, shape), kTimeout);
        if (verdict.status != Status::pass && verdict.status != Status::claimed) {
          result.failed.push_back(fmt::format("{}: {}", candidate.name(), verdict.reason));
          continue;
        }
      }
      candidates.push_back(&candidate);
    }
  }
  return candidates;
}

/// The faster half, until two are left.
void halve(std::vector<const Variant*>& candidates, const Kernel& kernel, const ShapeClass& shape_class,
           BenchOptions options) {
  options.repetitions = 6;
  options.extra_rounds = 0;
  while (candidates.size() > 2) {
    nlohmann::json google;
    const ShapeTimings timed = time_shapes({{&kernel, candidates, shape_class}}, options, google).front();
    std::ranges::sort(candidates, {}, [&](const Variant* v) { return timed.find(v->label())->median_ns; });
    candidates.resize((candidates.size() + 1) / 2);
    options.repetitions = std::min(2 * options.repetitions, 24);
  }
}

void take_over(Choice& choice, const SearchResult& result, const ShapeTimings& timed) {
  const Variant& best = find_variant(result.kernel + "/" + result.best);
  const Timing& t = *timed.find(result.best);
  choice.variant = best.usual_label();
  choice.parameters = best.parameters;
  choice.code = best.code;
  choice.timing["median_ns"] = t.median_ns;
  choice.timing["low_ns"] = t.low_ns;
  choice.timing["high_ns"] = t.high_ns;
  choice.timing["runner_up"] = result.chosen;
  for (auto& [label, ratio] : choice.ratios) {  // those before were over what was the fastest then
    ratio = {ratio.median * (1 + result.gain), ratio.low * (1 + result.gain), ratio.high * (1 + result.gain)};
  }
  choice.ratios[result.best] = {};
  const std::string parameters = find_kernel(result.kernel).text_of_parameters(best.parameters);
  choice.why = fmt::format("{}{}{:.2f}x faster than {}, found by a search", parameters, parameters.empty() ? "" : ": ",
                           1 + result.gain, result.chosen);
}

SearchResult search_class(const Cpu& cpu, const Kernel& kernel, const std::vector<const Variant*>& passing,
                          const ShapeClass& shape_class, Choice& choice, const BenchOptions& options) {
  SearchResult result;
  result.kernel = kernel.name;
  result.shape_class = shape_class;
  const Variant& chosen = with_parameters(find_variant(choice.kernel + "/" + choice.variant), choice.parameters);
  result.chosen = result.best = chosen.label();
  auto candidates = candidates_for(cpu, kernel, passing, shape_class.shape, options.seed, result);
  result.candidates = candidates.size();
  halve(candidates, kernel, shape_class, options);
  if (std::ranges::find(candidates, &chosen) == candidates.end()) {
    candidates.insert(candidates.begin(), &chosen);
  }
  nlohmann::json google;
  BenchOptions at_length = options;
  at_length.repetitions = 60;
  const ShapeTimings timed = time_shapes({{&kernel, candidates, shape_class}}, at_length, google).front();
  const Timing& fastest = timed.fastest();
  const Timing& before = *timed.find(result.chosen);
  if (fastest.variant != result.chosen && before.slower) {
    result.best = fastest.variant;
    result.gain = before.ratio - 1;
    take_over(choice, result, timed);
  }
  return result;
}

}  // namespace

std::vector<SearchResult> search_parameters(const Cpu& cpu, const std::vector<Verdict>& verdicts, Profile& profile,
                                            const BenchOptions& options) {
  std::vector<SearchResult> results;
  for (const Kernel& kernel : kernels()) {
    const auto passing = passing_variants(kernel, verdicts, options.variant_glob);
    const bool generated = std::ranges::any_of(passing, &Variant::jit);
    if (kernel.contract->parameters[0].name == nullptr || !generated) {
      continue;
    }
    for (const ShapeClass& shape_class : classes_to_time(kernel, cpu.caches, options)) {
      const auto choice = std::ranges::find_if(profile.choices, [&](const Choice& c) {
        return c.kernel == kernel.name && c.label == shape_class.name() && c.shape == shape_class.shape;
      });
      if (choice != profile.choices.end() && !shape_class.cold) {
        if (options.on_progress) {
          options.on_progress(fmt::format("search: {} {}", kernel.name, shape_class.name()));
        }
        results.push_back(search_class(cpu, kernel, passing, shape_class, *choice, options));
      }
    }
  }
  return results;
}

}  // namespace assay
