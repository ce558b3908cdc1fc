#include "harness/cli/sampler_flags.h"

#include <fmt/format.h>

#include "kernels/softmax_f32/kernel.h"

namespace assay {

void add_sampler_flags(CLI::App& command, SamplerOptions& options) {
  const auto add = [&](const char* names, auto& value, const char* help) {
    command.add_option(names, value, help)->capture_default_str();
  };
  add("--temp,--temperature", options.temperature, "sampling temperature; 0: the most probable token");
  add("--top-k", options.top_k, "only the k most probable tokens; 0: all");
  add("--top-p", options.top_p, "only the most probable tokens that reach p together; 1: all");
  add("--min-p", options.min_p, "only tokens at least p times as probable as the best; 0: all");
  add("--typical,--typical-p", options.typical,
      "only the tokens nearest to the mean surprise, over p together; 1: all");
  add("--repeat-penalty", options.repeat_penalty,
      "divides the logit of a token seen if positive, else multiplies; 1: off");
  add("--presence-penalty", options.presence_penalty, "what the logit of a token seen loses; 0: off");
  add("--frequency-penalty", options.frequency_penalty, "what it loses each time that the token was seen; 0: off");
  add("--repeat-last-n", options.repeat_last_n,
      "so many tokens at the end of the text are those seen; -1: all, 0: none");
  add("-s,--seed", options.seed, "of the sampling");
}

void add_answer_flags(CLI::App& command, std::optional<int64_t>& n, const std::string& otherwise,
                      std::vector<std::string>& stops) {
  command.add_option("-n", n, fmt::format("tokens of an answer at most (default: {})", otherwise))
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 30));
  command
      .add_option("-r,--reverse-prompt", stops,
                  "a text that ends an answer, and is no part of it; may be given again for another")
      ->allow_extra_args(false);
}

SoftmaxFn softmax_of(Dispatch& dispatch, size_t n_vocab) {
  const auto of_all = dispatch.get<softmax_f32_fn>("softmax_f32", {n_vocab});
  return [&dispatch, of_all, n_vocab](float* y, const float* x, float scale, size_t n) {
    // JIT code is made for one length.
    if (n == n_vocab) {
      of_all(y, x, scale, n);
    } else {
      dispatch.get<softmax_f32_fn>("softmax_f32", {n})(y, x, scale, n);
    }
  };
}

}  // namespace assay
