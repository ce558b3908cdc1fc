#include "harness/cli/model_flags.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "harness/check/check.h"
#include "harness/runtime/error.h"
#include "harness/runtime/plugin.h"
#include "harness/runtime/text.h"

namespace assay {
namespace {

const std::map<std::string, CacheType> kCacheTypes = {
    {"f32", CacheType::f32}, {"f16", CacheType::f16}, {"q8_0", CacheType::q8_0}};
const std::map<std::string, Gelu> kGelus = {{"erf", Gelu::erf}, {"tanh", Gelu::tanh}};

const std::map<std::string, PieceRule> kPieceRules = {{"sentence-pieces", PieceRule::sentence_pieces},
                                                      {"longest-match", PieceRule::longest_match}};

/// What is forced has no verdict of a profile: of plug-ins it gets one here.
void check_forced(const Cpu& cpu, const ModelFlags& flags) {
  const char* environment = std::getenv("ASSAY_FORCE");
  auto forced = read_force(cpu, environment == nullptr ? "" : environment, "ASSAY_FORCE");
  for (const auto& [kernel, label] : read_force(cpu, flags.force, "--force")) {
    forced[kernel] = label;
  }
  for (const auto& [kernel, label] : forced) {
    const Variant& variant = find_variant(kernel + "/" + label);
    if (!variant.foreign) {
      continue;
    }
    CheckOptions options;
    options.kernel_glob = kernel;
    options.variant_glob = label;
    options.samples = 300;
    options.accept_claims = flags.plugins.accept_claims;
    const Verdict verdict = check(cpu, options).front();
    const Claim* claim = claim_of(variant);
    if (claim != nullptr && verdict.may_be_chosen() && !claim->fits_the_runner()) {
      throw InputError(fmt::format("{} is forced, and the runner does not keep what it asks for: {}", variant.name(),
                                   text_of_claim(verdict)));
    }
    if (!verdict.may_be_chosen()) {
      throw InputError(verdict.status == Status::claimed
                           ? fmt::format("{} is forced, and does not keep its contract, only what it claims: give "
                                         "--accept-claims to use it all the same: {}",
                                         variant.name(), text_of_claim(verdict))
                           : fmt::format("{} is forced, and {}: {}\n    {}", variant.name(),
                                         verdict.status == Status::fail ? "failed its check" : "cannot run here",
                                         verdict.reason, verdict.reproduce));
    }
  }
}

}  // namespace

std::string name_of(CacheType type) {
  return std::ranges::find(kCacheTypes, type, [](const auto& entry) { return entry.second; })->first;
}

void add_model_flags(CLI::App& command, ModelFlags& flags) {
  command.add_option("-m,--model", flags.model, "model file (default: the shipped one that adds numbers)");
  command
      .add_option("-c,--ctx-size", flags.context.n_ctx, "positions of the context (default: the model's, 4096 at most)")
      ->check(CLI::Range(size_t{1}, size_t{1} << 20));
  command.add_option("--cache-type", flags.context.cache, "how keys and values are kept (default: f16; of GPT-2 f32)")
      ->transform(CLI::CheckedTransformer(kCacheTypes));
  command.add_option("--gelu", flags.context.gelu, "of gptneox: erf (default), as it was trained, or llama.cpp's tanh")
      ->transform(CLI::CheckedTransformer(kGelus));
  command.add_option("-t,--threads", flags.threads, "0: one for each CPU of the affinity, no more than the CPU quota")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  command.add_option("--force", flags.force, "kernel=variant,...; kernels may be globs: '*=scalar' (also ASSAY_FORCE)");
  command.add_option("--profile", flags.profile, "the file that `assay tune` wrote (default: its default place)");
  add_plugin_flag(command, flags.plugins);
  add_accept_claims_flag(command, flags.plugins);
  command.add_flag("-q,--quiet", flags.quiet, "only the answer");
}

void add_tokenizer_flag(CLI::App& command, ModelFlags& flags) {
  command
      .add_option("--tokenizer", flags.rule,
                  "of a vocabulary of sentence pieces: sentence-pieces (default), or longest-match, the rule of "
                  "alpaca.cpp and KoAlpaca.cpp, whose text it reproduces")
      ->transform(CLI::CheckedTransformer(kPieceRules));
}

Tokenizer make_tokenizer(const GgufFile& file, const ModelFlags& flags) {
  Tokenizer tokenizer(file, flags.rule);
  if (!flags.quiet) {
    for (const std::string& note : file.notes()) {
      fmt::print(stderr, "assay: {}: {}\n", one_line(file.path(), 4096), note);
    }
    if (tokenizer.takes_longest()) {
      fmt::print(stderr, "assay: text becomes tokens by the longest match, as in KoAlpaca.cpp; scores do not count\n");
    }
  }
  return tokenizer;
}

Dispatch make_dispatch(const Cpu& cpu, const ModelFlags& flags) {
  load_plugins(flags.plugins);
  if (!flags.plugins.plugins.empty()) {
    check_forced(cpu, flags);
  }
  Dispatch::Options options;
  options.accept_claims = flags.plugins.accept_claims;
  options.profile = flags.profile;
  options.force = flags.force;
  options.notice = [quiet = flags.quiet](const std::string& line) {
    if (!quiet) {
      fmt::print(stderr, "assay: {}\n", line);
    }
  };
  return Dispatch(cpu, options);
}

}  // namespace assay
