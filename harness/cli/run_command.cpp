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

double rate(size_t tokens, std::chrono::steady_clock::duration time) {
  return static_cast<double>(tokens) / std::max(std::chrono::duration<double>(time).count(), 1e-9);
}

/// The time since it was last asked.
class Laps {
 public:
  std::chrono::steady_clock::duration next() {
    const auto begin = time_;
    time_ = std::chrono::steady_clock::now();
    return time_ - begin;
  }

 private:
  std::chrono::steady_clock::time_point time_ = std::chrono::steady_clock::now();
};

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
    const CacheType cache = model.sizes().block.cache;
    if (a.verify && cache == CacheType::q8_0) {
      throw InputError("--verify knows no cache in q8_0: leave out the one or the other");
    }
    if (a.verify) {
      verification_.emplace(file, cache == CacheType::f16, model.sizes().n_ctx);
    }
  }

  /// Adds the model's own time to `time`.
  std::span<const float> eval(std::span<const int32_t> tokens, std::chrono::steady_clock::duration& time) {
    Laps laps;
    const auto logits = model_->eval(tokens);
    time += laps.next();
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

void show(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

struct Generation {
  size_t tokens = 0;
  std::chrono::steady_clock::duration prompt_time{}, time{};
};

/// Prints the answer as it comes, and a newline.
Generation answer(const std::vector<int32_t>& prompt, size_t n, const Tokenizer& tokenizer, Steps& steps,
                  Sampler& sampler, StopStrings& text) {
  Generation done;
  const std::span<const float> logits = steps.eval(prompt, done.prompt_time);
  for (const int32_t token : prompt) {
    sampler.accept(token);
  }
  const auto eval = [&](int32_t token) { return steps.eval(std::span(&token, 1), done.time); };
  const GeneratedAnswer answer = generate(logits, {n, SIZE_MAX}, tokenizer, sampler, text, nullptr, eval, show);
  show("\n");  // both streams may go to one file: each says its part before the other does
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
  Laps laps;
  const GgufFile file = GgufFile::open(a.flags.model);
  if (!prompt && !a.list_choices) {
    throw InputError("there is no prompt: give the text to continue with -p, or the file that has it with -f");
  }
  for (const std::string& note : file.notes()) {
    if (!a.flags.quiet) {
      fmt::print(stderr, "assay: {}: {}\n", a.flags.model, note);
    }
  }
  const Tokenizer tokenizer(file);
  Model model(file, dispatch, a.flags.threads, a.flags.context);
  const auto load_time = laps.next();
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
               std::chrono::duration<double>(load_time).count(), tokens.size(), rate(tokens.size(), done.prompt_time),
               done.tokens, done.tokens > 1 ? rate(done.tokens - 1, done.time) : 0);
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
  auto* prompt = command->add_option("-p,--prompt", a->prompt, "the text to continue");
  command
      ->add_option("-f,--file", a->prompt_file, "the file that has it; -: stdin. A newline at its end does not count")
      ->excludes(prompt);
  command->add_option("-n", a->n, "tokens to generate at most (default: 256, or what fits the context)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 30));
  command
      ->add_option("-r,--reverse-prompt", a->stops,
                   "a text that ends the answer, and is no part of it; may be given again for another")
      ->allow_extra_args(false);
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
