#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "harness/cli/commands.h"
#include "harness/cli/model_shapes.h"
#include "harness/cli/verify.h"
#include "harness/runtime/atomic_file.h"
#include "harness/runtime/dispatch.h"
#include "harness/runtime/error.h"
#include "kernels/softmax_f32/kernel.h"
#include "runner/model.h"
#include "runner/sampler.h"
#include "runner/tokenizer.h"

namespace assay {
namespace {

struct RunArguments {
  std::string model = ASSAY_SOURCE_DIR "/models/sums.gguf";
  std::optional<std::string> prompt;
  std::optional<int64_t> n;
  SamplerOptions sampling;
  unsigned threads = 0;
  ContextOptions context;
  std::string force, profile, logits;
  bool verify = false, list_choices = false, quiet = false;
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

int run(const RunArguments& a) {
  const Cpu cpu = detect_cpu();
  Dispatch::Options options;
  options.profile = a.profile;
  options.force = a.force;
  options.notice = [&](const std::string& line) {
    if (!a.quiet) {
      fmt::print(stderr, "assay: {}\n", line);
    }
  };
  Dispatch dispatch(cpu, options);
  auto time = std::chrono::steady_clock::now();
  const auto lap = [&] {
    const auto begin = time;
    time = std::chrono::steady_clock::now();
    return time - begin;
  };
  const GgufFile file = GgufFile::open(a.model);
  const Tokenizer tokenizer(file);
  Model model(file, dispatch, a.threads, a.context);
  const auto load_time = lap();
  const size_t n_ctx = model.sizes().n_ctx;
  const auto softmax = dispatch.get<softmax_f32_fn>("softmax_f32", {model.sizes().n_vocab});
  Sampler sampler(a.sampling, [&](float* y, const float* x, float scale, size_t n) {
    // JIT code is made for one length; top-k changes it.
    if (n == model.sizes().n_vocab) {
      softmax(y, x, scale, n);
    } else {
      dispatch.get<softmax_f32_fn>("softmax_f32", {n})(y, x, scale, n);
    }
  });

  if (a.list_choices && !a.prompt) {
    evaluate_usual_shapes(model);
    print_choices(dispatch);
    return 0;
  }
  if (!a.prompt || a.prompt->empty()) {
    throw InputError("the prompt is empty: give the text to continue with --prompt");
  }
  const std::vector<int32_t> prompt = tokenizer.encode_prompt(*a.prompt);
  if (prompt.size() >= n_ctx) {
    throw InputError(fmt::format(
        "the prompt has {} tokens, the context {}: it leaves no room for an answer; shorten the prompt{}",
        prompt.size(), n_ctx, n_ctx < model.sizes().n_ctx_trained ? ", or take a larger context with -c" : ""));
  }
  const size_t room = n_ctx - prompt.size();
  if (a.n && static_cast<size_t>(*a.n) > room) {
    throw InputError(fmt::format("-n {} after a prompt of {} tokens exceeds the context of {}: use at most -n {}", *a.n,
                                 prompt.size(), n_ctx, room));
  }
  const size_t n = a.n ? static_cast<size_t>(*a.n) : std::min<size_t>(room, 256);

  std::optional<Verification> verification;
  if (a.verify) {
    const CacheType cache = model.sizes().block.cache;
    if (cache == CacheType::q8_0) {
      throw InputError("--verify knows no cache in q8_0: leave out the one or the other");
    }
    verification.emplace(file, cache == CacheType::f16);
  }
  lap();
  std::string steps;  // of --logits: the bytes of each step's floats
  const auto keep_logits = [&](std::span<const float> step) {
    if (!a.logits.empty()) {
      steps.append(reinterpret_cast<const char*>(step.data()), step.size_bytes());
    }
  };
  std::span<const float> logits = model.eval(prompt);
  const auto prompt_time = lap();
  keep_logits(logits);
  if (verification) {
    verification->compare(prompt, logits);
    lap();
  }
  TextStream stream;
  const auto print = [](const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  };
  size_t generated = 0;
  std::chrono::steady_clock::duration generation_time{};
  while (generated < n) {
    const int32_t token = sampler.sample(logits);
    ++generated;
    if (tokenizer.ends(token)) {
      break;
    }
    print(stream.add(tokenizer.decode_piece(token)));
    if (generated == n) {
      break;
    }
    lap();
    logits = model.eval(std::span(&token, 1));
    generation_time += lap();
    keep_logits(logits);
    if (verification) {
      verification->compare(std::span(&token, 1), logits);
      lap();
    }
  }
  print(stream.finish() + "\n");  // both streams may go to one file: each says its part before the other does
  if (!a.quiet) {
    fmt::print(stderr, "load: {:.2f} s; prompt: {} tokens, {:.1f} tokens/s; generation: {} tokens, {:.1f} tokens/s\n",
               std::chrono::duration<double>(load_time).count(), prompt.size(), rate(prompt.size(), prompt_time),
               generated, generated > 1 ? rate(generated - 1, generation_time) : 0);
  }
  if (!a.logits.empty()) {
    write_file_atomically(a.logits, steps);
  }
  if (a.list_choices) {
    print_choices(dispatch);
  }
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
  command->add_option("-m,--model", a->model, "GGUF file (default: the shipped model that adds numbers)");
  command->add_option("-p,--prompt", a->prompt, "the text to continue");
  command->add_option("-n", a->n, "tokens to generate at most (default: 256, or what fits the context)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 30));
  command->add_option("--temp", a->sampling.temperature, "sampling temperature; 0: the most probable token")
      ->capture_default_str();
  command->add_option("--top-k", a->sampling.top_k, "only the k most probable tokens; 0: all")->capture_default_str();
  command->add_option("--top-p", a->sampling.top_p, "only the most probable tokens that reach p together")
      ->capture_default_str();
  command->add_option("--seed", a->sampling.seed, "of the sampling")->capture_default_str();
  command
      ->add_option("-c,--ctx-size", a->context.n_ctx, "positions of the context (default: the model's, 4096 at most)")
      ->check(CLI::Range(size_t{1}, size_t{1} << 20));
  command->add_option("--cache-type", a->context.cache, "how keys and values are kept (default: f16; of GPT-2 f32)")
      ->transform(CLI::CheckedTransformer(std::map<std::string, CacheType>{
          {"f32", CacheType::f32}, {"f16", CacheType::f16}, {"q8_0", CacheType::q8_0}}));
  command->add_option("-t,--threads", a->threads, "0: one for each CPU of the affinity, no more than the CPU quota")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  command->add_option("--force", a->force, "kernel=variant,...; kernels may be globs: '*=scalar' (also ASSAY_FORCE)");
  command->add_option("--profile", a->profile, "the file that `assay tune` wrote (default: its default place)");
  command->add_flag("--verify", a->verify,
                    "run the double-precision reference beside; exit status 1 if a token differs or a logit is off by "
                    "more than its bound");
  command->add_option("--logits", a->logits,
                      "write the logits of each step here: 32-bit floats, as many a step as the vocabulary has");
  command->add_flag("--list-choices", a->list_choices, "which variant each step uses, and why");
  command->add_flag("-q,--quiet", a->quiet, "only the text");
  command->callback([a, &status] { status = run(*a); });
}

}  // namespace assay
