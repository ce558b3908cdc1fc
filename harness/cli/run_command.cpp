#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/cli/commands.h"
#include "harness/cli/generation.h"
#include "harness/cli/model_flags.h"
#include "harness/cli/model_shapes.h"
#include "harness/cli/prompt_text.h"
#include "harness/cli/sampler_flags.h"
#include "harness/cli/verify.h"
#include "harness/runtime/atomic_file.h"
#include "harness/runtime/error.h"
#include "runner/model.h"
#include "runner/sampler.h"
#include "runner/stop_strings.h"
#include "runner/tokenizer.h"

namespace assay {
namespace {

struct RunArguments {
  ModelFlags flags;
  std::optional<std::string> prompt, prompt_file;
  std::vector<std::string> stops;
  std::optional<int64_t> n;
  SamplerOptions sampling;
  std::string logits;
  bool verify = false, list_choices = false;
};

void print_choices(const Dispatch& dispatch) {
  fmt::print("{:<18} {:<18} {:<11} {}\n", "kernel", "shape", "variant", "why");
  for (const auto& d : dispatch.decisions()) {
    fmt::print("{:<18} {:<18} {:<11} {}\n", d.kernel, find_kernel(d.kernel).text_of(d.shape), d.variant, d.why);
  }
}

/// The prompt that the flags give; none if they give none.
std::optional<std::string> prompt_of(const RunArguments& a) {
  if (a.prompt_file) {
    return read_prompt(*a.prompt_file);
  }
  if (a.prompt && a.prompt->empty()) {
    throw InputError("the prompt is empty: give the text to continue with --prompt");
  }
  return a.prompt;
}

/// Tokens to generate at most, after a prompt that must leave room for one.
size_t length_of_answer(std::optional<int64_t> wanted, size_t prompt, const ModelSizes& sizes) {
  if (prompt >= sizes.n_ctx) {
    throw InputError(fmt::format(
        "the prompt has {} tokens, the context {}: it leaves no room for an answer; shorten the prompt{}", prompt,
        sizes.n_ctx, sizes.n_ctx < sizes.n_ctx_trained ? ", or take a larger context with -c" : ""));
  }
  const size_t room = sizes.n_ctx - prompt;
  if (wanted && static_cast<size_t>(*wanted) > room) {
    throw InputError(fmt::format("-n {} after a prompt of {} tokens exceeds the context of {}: use at most -n {}",
                                 *wanted, prompt, sizes.n_ctx, room));
  }
  return wanted ? static_cast<size_t>(*wanted) : std::min<size_t>(room, 256);
}

/// A model, and what else looks at each of its steps.
class Steps {
 public:
  Steps(Model& model, const GgufFile& file, const RunArguments& a) : model_(&model), keeps_(!a.logits.empty()) {
    if (a.verify && model.sizes().block.cache == CacheType::q8_0) {
      throw InputError("--verify knows no cache in q8_0: leave out the one or the other");
    }
    if (a.verify) {
      verification_.emplace(file, model.sizes());
    }
  }

  /// Adds them, and the model's own time, to `count`.
  std::span<const float> eval(std::span<const int32_t> tokens, TokenCount& count) {
    const auto begin = std::chrono::steady_clock::now();
    const auto logits = model_->eval(tokens);
    count.add(tokens.size(), begin);
    if (keeps_) {
      kept_.append(reinterpret_cast<const char*>(logits.data()), logits.size_bytes());
    }
    if (verification_) {
      verification_->compare(tokens, logits);
    }
    return logits;
  }

  /// Of --logits: the bytes of each step's floats.
  const std::string& kept() const { return kept_; }
  const std::optional<Verification>& verification() const { return verification_; }

 private:
  Model* model_;
  bool keeps_;
  std::string kept_;
  std::optional<Verification> verification_;
};

struct Generation {
  size_t tokens = 0;  ///< the one that ended it among them
  TokenCount prompt, evaluated;
};

/// Prints the answer as it comes, and a newline.
Generation answer(const std::vector<int32_t>& prompt, size_t n, const Tokenizer& tokenizer, Steps& steps,
                  Sampler& sampler, StopStrings& text) {
  Generation done;
  const std::span<const float> logits = steps.eval(prompt, done.prompt);
  for (const int32_t token : prompt) {
    sampler.accept(token);
  }
  const auto eval = [&](int32_t token) { return steps.eval(std::span(&token, 1), done.evaluated); };
  const GeneratedAnswer answer = generate(logits, {n, SIZE_MAX}, tokenizer, sampler, text, nullptr, eval);
  done.tokens = answer.tokens.size() + (answer.end == AnswerEnd::model ? 1 : 0);
  return done;
}

int run(const RunArguments& a) {
  // What is wrong in the flags is found before a large file is read.
  check_options(a.sampling);
  StopStrings text(a.stops);
  const std::optional<std::string> prompt = prompt_of(a);
  const Cpu cpu = detect_cpu();
  Dispatch dispatch = make_dispatch(cpu, a.flags);
  const auto begin = std::chrono::steady_clock::now();
  const GgufFile file = GgufFile::open(a.flags.model);
  if (!prompt && !a.list_choices) {
    throw InputError("there is no prompt: give the text to continue with -p, or the file that has it with -f");
  }
  const Tokenizer tokenizer = make_tokenizer(file, a.flags);
  Model model(file, dispatch, a.flags.threads, a.flags.context);
  const std::chrono::duration<double> load_time = std::chrono::steady_clock::now() - begin;
  Sampler sampler(a.sampling, softmax_of(dispatch, model.sizes().n_vocab));
  if (!prompt) {
    evaluate_usual_shapes(model);
    print_choices(dispatch);
    return 0;
  }

  const std::vector<int32_t> tokens = tokenizer.encode_prompt(*prompt);
  const size_t n = length_of_answer(a.n, tokens.size(), model.sizes());
  Steps steps(model, file, a);
  const Generation done = answer(tokens, n, tokenizer, steps, sampler, text);
  if (!a.flags.quiet) {
    fmt::print(stderr, "load: {:.2f} s; prompt: {} tokens, {:.1f} tokens/s; generation: {} tokens, {:.1f} tokens/s\n",
               load_time.count(), done.prompt.tokens, done.prompt.per_second(), done.tokens,
               done.evaluated.per_second());
  }
  if (!a.logits.empty()) {
    write_file_atomically(a.logits, steps.kept());
  }
  if (a.list_choices) {
    print_choices(dispatch);
  }
  const auto& verification = steps.verification();
  if (verification) {
    std::fflush(stdout);
    fmt::print(stderr, "{}\n", verification->summary());
  }
  return verification && !verification->passed() ? 1 : 0;
}

}  // namespace

void add_run_command(CLI::App& app, int& status) {
  auto a = std::make_shared<RunArguments>();
  auto* command = app.add_subcommand("run", "continue a prompt with a model, through the chosen variants");
  add_model_flags(*command, a->flags);
  add_tokenizer_flag(*command, a->flags);
  auto* prompt = command->add_option("-p,--prompt", a->prompt, "the text to continue");
  command
      ->add_option("-f,--file", a->prompt_file, "the file that has it; -: stdin. A newline at its end does not count")
      ->excludes(prompt);
  add_answer_flags(*command, a->n, "256, or what fits the context", a->stops);
  add_sampler_flags(*command, a->sampling);
  command->add_flag("--verify", a->verify,
                    "run the double-precision reference beside; exit status 1 if a token differs or a logit is off by "
                    "more than its bound");
  command->add_option("--logits", a->logits,
                      "write the logits of each step here: 32-bit floats, as many a step as the vocabulary has");
  command->add_flag("--list-choices", a->list_choices, "which variant each step uses, and why");
  command->callback([a, &status] { status = run(*a); });
}

}  // namespace assay
