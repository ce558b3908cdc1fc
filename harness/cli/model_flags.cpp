#include "harness/cli/model_flags.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>

#include "harness/runtime/text.h"

namespace assay {
namespace {

const std::map<std::string, CacheType> kCacheTypes = {
    {"f32", CacheType::f32}, {"f16", CacheType::f16}, {"q8_0", CacheType::q8_0}};
const std::map<std::string, Gelu> kGelus = {{"erf", Gelu::erf}, {"tanh", Gelu::tanh}};

const std::map<std::string, PieceRule> kPieceRules = {{"sentence-pieces", PieceRule::sentence_pieces},
                                                      {"longest-match", PieceRule::longest_match}};

}  // namespace

std::string name_of(CacheType type) {
  return std::ranges::find(kCacheTypes, type, [](const auto& entry) { return entry.second; })->first;
}

std::string shipped_model() { return ASSAY_SOURCE_DIR "/models/sums.gguf"; }

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
  Dispatch::Options options;
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
