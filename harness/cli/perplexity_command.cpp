#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "harness/cli/commands.h"
#include "harness/cli/model_flags.h"
#include "harness/cli/perplexity.h"
#include "harness/runtime/atomic_file.h"
#include "harness/runtime/error.h"
#include "runner/tokenizer.h"

namespace assay {
namespace {

constexpr size_t kLargestText = size_t{1} << 30;

struct PerplexityArguments {
  ModelFlags flags;
  std::string text, base;
  std::optional<size_t> chunks;
};

/// A file's model and tokenizer.
struct OpenModel {
  OpenModel(const std::string& path, Dispatch& dispatch, const ModelFlags& flags)
      : file(GgufFile::open(path)),
        tokenizer(make_tokenizer(file, flags)),
        model(file, dispatch, flags.threads, context_of(file, flags)) {}

  // Positions that the model was not trained for would judge something else.
  static ContextOptions context_of(const GgufFile& file, const ModelFlags& flags) {
    ContextOptions context = flags.context;
    context.n_ctx = flags.context.n_ctx.value_or(std::min<size_t>(ModelSizes::read(file).n_ctx_trained, 512));
    return context;
  }

  GgufFile file;
  Tokenizer tokenizer;
  Model model;
};

Chunks chunks_of(size_t tokens, size_t n_ctx, std::optional<size_t> most, const std::string& path) {
  if (n_ctx < 4) {
    throw InputError(
        fmt::format("-c {} leaves nothing to judge: half of a chunk only leads up to the rest; take 4 or more", n_ctx));
  }
  if (tokens < 2 * n_ctx) {
    throw InputError(
        fmt::format("{}: the text has {} tokens, two chunks of {} are needed: give a longer one, or a smaller -c", path,
                    tokens, n_ctx));
  }
  return {n_ctx, std::min(tokens / n_ctx, most.value_or(SIZE_MAX))};
}

/// The logits of each place of a chunk that is judged, by places; their tokens are in `chunk`.
void for_each_judged(Model& model, std::span<const int32_t> chunk, const Chunks& chunks,
                     const std::function<void(size_t place, std::span<const float> logits)>& judge) {
  model.reset();
  model.eval(chunk, chunks.first(), [&](size_t place, std::span<const float> logits) {
    if (std::ranges::any_of(logits, [](float logit) { return std::isnan(logit); })) {
      throw InputError(fmt::format("the logits after token {} of a chunk are NaN: the weights are damaged", place));
    }
    if (place + 1 < chunk.size()) {  // the last one has nothing behind it
      judge(place, logits);
    }
  });
}

/// A chunk's tokens; the first gives way to the one that begins a text, where the model wants that.
std::vector<int32_t> tokens_of_chunk(std::span<const int32_t> tokens, const Chunks& chunks, size_t number,
                                     const Tokenizer& tokenizer) {
  const auto part = tokens.subspan(number * chunks.n_ctx, chunks.n_ctx);
  std::vector<int32_t> chunk(part.begin(), part.end());
  chunk[0] = tokenizer.begins().value_or(chunk[0]);
  return chunk;
}

void print_progress(size_t chunk, double perplexity) {
  fmt::print("[{}]{:.4f},", chunk + 1, perplexity);
  std::fflush(stdout);
}

double perplexity_of(const MeanOf& surprises) { return std::exp(surprises.mean()); }

int judge_alone(OpenModel& m, std::span<const int32_t> tokens, const Chunks& chunks) {
  MeanOf surprises;
  for (size_t c = 0; c < chunks.count; ++c) {
    const std::vector<int32_t> chunk = tokens_of_chunk(tokens, chunks, c, m.tokenizer);
    for_each_judged(m.model, chunk, chunks, [&](size_t place, std::span<const float> logits) {
      surprises.add(surprise(logits, chunk[place + 1]));
    });
    print_progress(c, perplexity_of(surprises));
  }
  fmt::print("\nFinal estimate: PPL = {:.4f} +/- {:.5f}\n", perplexity_of(surprises),
             perplexity_of(surprises) * surprises.error());
  return 0;
}

/// Of values of which those of `largest` interest stand at the one end.
void print_quantiles(const char* name, std::vector<double> values, double factor) {
  std::ranges::sort(values);
  fmt::print("{} max {:.6f}", name, factor * values.back());
  for (const double share : {0.999, 0.99, 0.95, 0.9, 0.5, 0.1, 0.05, 0.01, 0.001}) {
    fmt::print(", {:g}% {:.6f}", 100 * share, factor * quantile(values, share));
  }
  fmt::print(", min {:.6f}\n", factor * values.front());
}

void print_divergence(const Divergence& d) {
  const auto line = [](const char* name, double value, double error) {
    fmt::print("{:<28} {:.6f} +/- {:.6f}\n", name, value, error);
  };
  const auto perplexity = [&](const char* name, const MeanOf& of) {
    line(name, perplexity_of(of), perplexity_of(of) * of.error());
  };
  fmt::print("\n");
  perplexity("PPL", d.surprise_of_model);
  perplexity("PPL of the base", d.surprise_of_base);
  line("ln(PPL / PPL of the base)", d.log_ratio.mean(), d.log_ratio.error());
  perplexity("PPL / PPL of the base", d.log_ratio);
  fmt::print("{:<28} {:.4f} %\n", "correlation of ln(PPL)", 100 * d.correlation());
  line("KL divergence", d.divergence.mean(), d.divergence.error());
  print_quantiles("  of a token:", d.divergences, 1);
  line("change of p, %", 100 * d.change.mean(), 100 * d.change.error());
  print_quantiles("  of a token:", d.changes, 100);
  fmt::print("{:<28} {:.6f} %\n", "RMS change of p", 100 * std::sqrt(d.squared_change.mean()));
  line("same most probable token, %", 100 * d.same_top.mean(), 100 * d.same_top.error());
}

int judge_beside(OpenModel& m, OpenModel& base, std::span<const int32_t> tokens, const Chunks& chunks) {
  Divergence divergence;
  const size_t n = m.model.sizes().n_vocab;
  std::vector<float> of_base((chunks.n_ctx - chunks.first()) * n);
  for (size_t c = 0; c < chunks.count; ++c) {
    const std::vector<int32_t> chunk = tokens_of_chunk(tokens, chunks, c, m.tokenizer);
    const auto kept = [&](size_t place) { return std::span(of_base).subspan((place - chunks.first()) * n, n); };
    for_each_judged(base.model, chunk, chunks, [&](size_t place, std::span<const float> logits) {
      std::ranges::copy(logits, kept(place).begin());
    });
    for_each_judged(m.model, chunk, chunks, [&](size_t place, std::span<const float> logits) {
      divergence.add(logits, kept(place), chunk[place + 1]);
    });
    print_progress(c, perplexity_of(divergence.surprise_of_model));
  }
  print_divergence(divergence);
  return 0;
}

int perplexity(const PerplexityArguments& a) {
  const std::string text = read_small_file(a.text, kLargestText);
  const Cpu cpu = detect_cpu();
  Dispatch dispatch = make_dispatch(cpu, a.flags);
  OpenModel m(a.flags.model, dispatch, a.flags);
  const std::vector<int32_t> tokens = m.tokenizer.encode_text(text);
  const Chunks chunks = chunks_of(tokens.size(), m.model.sizes().n_ctx, a.chunks, a.text);
  if (!a.flags.quiet) {
    fmt::print(stderr, "{} chunks of {} tokens, of which {} are judged in each; the first is {}\n", chunks.count,
               chunks.n_ctx, chunks.n_ctx - 1 - chunks.first(),
               m.tokenizer.begins() ? "the one that begins a text" : "the text's own");
  }
  if (a.base.empty()) {
    return judge_alone(m, tokens, chunks);
  }
  ModelFlags flags = a.flags;
  flags.context.n_ctx = chunks.n_ctx;
  OpenModel base(a.base, dispatch, flags);
  if (base.model.sizes().n_vocab != m.model.sizes().n_vocab || base.tokenizer.encode_text(text) != tokens) {
    throw InputError(
        fmt::format("{}: its vocabulary is another than that of {}: their probabilities cannot be compared; give "
                    "the same model in another format",
                    a.base, a.flags.model));
  }
  return judge_beside(m, base, tokens, chunks);
}

}  // namespace

void add_perplexity_command(CLI::App& app, int& status) {
  auto a = std::make_shared<PerplexityArguments>();
  auto* command =
      app.add_subcommand("perplexity", "how well a model expects a text, or how far it is from another one");
  add_model_flags(*command, a->flags);
  add_tokenizer_flag(*command, a->flags);
  command->get_option("--ctx-size")->description("tokens of a chunk (default: 512, or what the model was trained for)");
  command->add_option("-f,--file", a->text, "the text")->required();
  command->add_option("--chunks", a->chunks, "no more than so many")->check(CLI::Range(size_t{1}, size_t{1} << 40));
  command->add_option("--kl", a->base, "the model to compare with: the same one in a wider format");
  command->callback([a, &status] { status = perplexity(*a); });
}

}  // namespace assay
