#include "harness/cli/block_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "harness/cli/random_block.h"
#include "harness/runtime/error.h"

namespace assay {
namespace {

using Table = std::map<std::string, std::string>;  // kernel -> variant

/// One random block and what goes through it.
struct Sample {
  Rng rng;
  RandomBlock block;
  BlockInput input;

  Sample(uint64_t seed, const Architecture& architecture)
      : rng(mix_seed(seed, 0x626c6f636b)), block(rng, architecture) {
    input.past = rng.below(3) == 0 ? 0 : rng.below(20);
    input.tokens = 1 + rng.below(6);
    input.x.resize((input.past + input.tokens) * block.sizes().n_embd);
    for (float& v : input.x) {
      v = rng.normal();
    }
  }

  BlockOutcome run(const Cpu& cpu, const Table& table) const {
    Dispatch dispatch(cpu, table);
    BlockOutcome outcome =
        compare_block(block.source(), reference::block_of(block.raw_tensors(), "", block.hyperparameters()),
                      block.sizes(), input, dispatch);
    for (const auto& [kernel, variant] : table) {  // what ran is what was asked
      for (const auto& [name, calls] : dispatch.ran()) {
        if (name.starts_with(kernel + "/") && name != kernel + "/" + variant) {
          outcome.failure = fmt::format("{} ran where {}/{} was asked for", name, kernel, variant);
        }
      }
    }
    return outcome;
  }
};

Table draw_table(const Cpu& cpu, const BlockCheckOptions& options, Rng& rng) {
  std::vector<std::string> of_block = {"add_f32",       "attention_f32", "quantize_q8_0",
                                       "quantize_q8_k", "quantize_i8_s", "scale_f32"};
  const Architecture& a = find_architecture(options.architecture);
  const auto add = [&](std::initializer_list<const char*> kernels) {
    of_block.insert(of_block.end(), kernels.begin(), kernels.end());
  };
  if (a.root_mean_square) {
    add({"rms_norm_f32", "add_rms_norm_f32"});
  } else {
    add({"layer_norm_f32", "add_layer_norm_f32"});
  }
  if (a.turn != Turn::none) {
    add({"rope_f32", "attention_f16", "convert_f16", "join_attention_f32"});
  }
  add({kernel_of(a.activation)});
  for (const TensorTypeInfo& type : tensor_types()) {
    of_block.push_back(fmt::format("matmul_{}", type.format->name));
    of_block.push_back(fmt::format("dequantize_{}", type.format->name));
  }
  Table table;
  for (const std::string& kernel : of_block) {
    std::vector<std::string> runnable;
    for (const auto& v : find_kernel(kernel).variants) {
      if (glob_match(options.variant_glob, v) && isa_status(cpu, v.isa).runnable) {
        runnable.push_back(v.label());
      }
    }
    if (runnable.empty()) {
      throw MachineError(
          fmt::format("no variant of {} that matches '{}' runs on this CPU", kernel, options.variant_glob));
    }
    table[kernel] = runnable[rng.below(runnable.size())];
  }
  bool used = options.force.empty();
  for (const auto& [kernel, variant] : read_force(cpu, options.force, "--force")) {
    if (const auto it = table.find(kernel); it != table.end()) {
      it->second = variant;
      used = true;
    }
  }
  if (!used) {
    throw InputError(fmt::format("--force '{}': the block has none of these kernels", options.force));
  }
  return table;
}

std::string describe(const Table& table) {
  std::string text;
  for (const auto& [kernel, variant] : table) {
    text += fmt::format("{}{}={}", text.empty() ? "" : ",", kernel, variant);
  }
  return text;
}

/// Which kernel's variant is at fault: with it on scalar, the sample passes. Each trial in a child process: the fault may be a
/// crash or a hang.
std::string blame(const Cpu& cpu, const Architecture& architecture, uint64_t seed, const Table& table) {
  std::string guilty;
  for (const auto& [kernel, variant] : table) {
    if (variant == "scalar") {
      continue;
    }
    Table swapped = table;
    swapped[kernel] = "scalar";
    constexpr double kTimeout = 5;
    const Verdict v = run_in_child("block", architecture.name, kTimeout, [&](SampleLog& report) {
      const BlockOutcome outcome = Sample(seed, architecture).run(cpu, swapped);
      outcome.failure.empty() ? report.done(outcome.error_over_bound) : report.fail(outcome.failure);
    });
    if (v.status == Status::pass) {
      guilty += fmt::format("{}{}/{}", guilty.empty() ? "" : ", ", kernel, variant);
    }
  }
  return guilty.empty() ? "no single kernel: several are wrong, or scalar or the graph is" : guilty;
}

/// The variants of the sample that `seed` makes.
Table table_of(const Cpu& cpu, const BlockCheckOptions& options, uint64_t seed) {
  Rng rng(mix_seed(seed, 0x7461626c65));
  return draw_table(cpu, options, rng);
}

std::vector<double> through_reference(const reference::Block& block, std::vector<double> rows, size_t tokens) {
  reference::KvCache cache;
  reference::forward(block, rows, tokens, cache);
  return rows;
}

/// How far the reference's result moves, at most, when its input moves by half of a float's last bit. Where the elements of
/// a row are nearly equal, layer norm multiplies that by up to 1 / sqrt(eps) = 316.
double moved_by_rounding(const reference::Block& block, std::vector<double> rows, size_t tokens,
                         const std::vector<double>& want) {
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i] *= 1 + (i % block.n_embd % 2 == 0 ? 0x1p-24 : -0x1p-24);  // neighbours apart: what layer norm takes worst
  }
  const std::vector<double> moved = through_reference(block, std::move(rows), tokens);
  double most = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    most = std::max(most, std::fabs(moved[i] - want[i]));
  }
  return most;
}

double largest_of(const std::vector<double>& values) {
  double largest = 0;
  for (const double v : values) {
    largest = std::max(largest, std::fabs(v));
  }
  return largest;
}

/// See check_block.
double bound_of(const reference::Block& block, const std::vector<double>& x, const std::vector<double>& want,
                size_t tokens) {
  const double largest = std::max(largest_of(x), largest_of(want));
  const double factor = 32 * std::sqrt(static_cast<double>(block.n_embd));
  // Rounding to Q8_0 would make a jump of what moved by a last bit; such blocks are wide, and no row's elements nearly equal.
  if (block.rounds_activations()) {
    return (2 * factor * 0x1p-24 + 0x1p-6) * largest;
  }
  const double of_halves = block.keeps_halves ? 0x1p-8 * largest : 0;
  return factor * (0x1p-24 * largest + moved_by_rounding(block, x, tokens, want)) + of_halves;
}

}  // namespace

BlockOutcome compare_block(const TensorSource& runner, const reference::Block& truth, const BlockSizes& sizes,
                           const BlockInput& input, Dispatch& dispatch) {
  ThreadPool pool(1);
  Attention attention(sizes, dispatch);
  Workspace work;
  Block layer(runner, "", sizes, attention, work, dispatch);
  Arena weights(layer.weight_bytes(), Arena::Pages::usual, "the weights");
  Arena cache(layer.cache_bytes(), Arena::Pages::usual, "the keys and values");
  layer.load(runner, weights, cache, pool);
  const size_t n = sizes.n_embd;
  std::vector<float> y = input.x;
  if (input.past > 0) {
    layer.forward(y.data(), input.past, 0, pool);
  }
  layer.forward(y.data() + input.past * n, input.tokens, input.past, pool);

  const std::vector<double> x(input.x.begin(), input.x.end());
  const std::vector<double> want = through_reference(truth, x, input.past + input.tokens);
  const double bound = bound_of(truth, x, want, input.past + input.tokens);
  BlockOutcome outcome;
  for (size_t i = 0; i < y.size(); ++i) {
    const double error = std::fabs(static_cast<double>(y[i]) - want[i]);
    outcome.error_over_bound = std::max(outcome.error_over_bound, error / bound);
    if (!(error <= bound) && outcome.failure.empty()) {
      outcome.failure =
          fmt::format("token {} element {} is {}, expected {} within {:.3g}", i / n, i % n, y[i], want[i], bound);
    }
  }
  return outcome;
}

Verdict check_block(const Cpu& cpu, const BlockCheckOptions& options) {
  const Architecture& architecture = find_architecture(options.architecture);
  table_of(cpu, options, options.seed);  // an empty choice is the caller's error, not a verdict
  Verdict verdict = run_in_child("block", options.architecture, options.timeout, [&](SampleLog& report) {
    for (uint64_t i = 0; i < options.samples; ++i) {
      const uint64_t seed = options.seed + i;
      report.begin(fmt::format("assay check --block {} --variant '{}'{} --seed {} --samples 1", options.architecture,
                               options.variant_glob,
                               options.force.empty() ? "" : fmt::format(" --force '{}'", options.force), seed));
      const BlockOutcome outcome = Sample(seed, architecture).run(cpu, table_of(cpu, options, seed));
      if (!outcome.failure.empty()) {
        report.fail(outcome.failure);
        return;
      }
      report.done(outcome.error_over_bound);
    }
  });
  if (verdict.status == Status::fail) {
    const uint64_t seed = options.seed + verdict.samples;
    const Table table = table_of(cpu, options, seed);
    verdict.reason +=
        fmt::format("; to blame: {}; variants: {}", blame(cpu, architecture, seed, table), describe(table));
  }
  verdict.seed = options.seed;
  return verdict;
}

}  // namespace assay
