#include "runner/pieces.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <string>

#include "harness/runtime/error.h"
#include "harness/runtime/text.h"

namespace assay {
namespace {

// The patterns are those of the models' own tokenizers. They say \s, which there is Unicode's White_Space; PCRE2's \s would also take U+180E.
#define SPACE R"(\p{White_Space})"
#define NO_SPACE R"(\P{White_Space})"

/// GPT-2's encoder.py: contractions, words, numbers, other characters and white space, the former four with the space before them.
constexpr const char* kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^)" SPACE R"(\p{L}\p{N}]+|)" SPACE "+(?!" NO_SPACE ")|" SPACE "+";

// White space up to the last end of a line in it. Written so that a run of blanks without one is looked at once.
#define LINES R"((?:[^\P{White_Space}\r\n]*+[\r\n]++)++)"
#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define WORDS_AND(numbers)                                                                                        \
  CONTRACTIONS R"(|[^\r\n\p{L}\p{N}]?\p{L}+|)" numbers R"(| ?[^)" SPACE R"(\p{L}\p{N}]+[\r\n]*|)" LINES "|" SPACE \
               "+(?!" NO_SPACE ")|" SPACE "+"
constexpr const char* kLlama3 = WORDS_AND(R"(\p{N}{1,3})");
constexpr const char* kQwen2 = WORDS_AND(R"(\p{N})");

const std::vector<PreTokenizer>& pre_tokenizers() {
  static const std::vector<PreTokenizer> all = {
      {{"gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "roberta-bpe", "gigachat", "gpt-neox"}, {kGpt2}},
      {{"llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral"}, {kLlama3}, true, true},
      {{"dbrx", "smaug-bpe"}, {kLlama3}},
      {{"qwen2", "deepseek-r1-qwen", "stablelm2", "megrez", "hunyuan"}, {kQwen2}},
      {{"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"}, {R"(\p{N})", kGpt2}},
      {{"default"}, {R"([\p{P}\$\+<=>\^~\|]+)", kGpt2, R"(\p{N}+)", "[0-9][0-9][0-9]"}},
  };
  return all;
}

struct PcreFree {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

std::string pcre_message(int error) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(error, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

/// Compiled once.
const pcre2_code* compiled(const char* pattern) {
  static std::mutex mutex;
  static std::map<const char*, std::unique_ptr<pcre2_code, PcreFree>> known;
  const std::lock_guard lock(mutex);
  auto& code = known[pattern];
  if (code == nullptr) {
    int error = 0;
    size_t offset = 0;
    code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern), PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP,
                             &error, &offset, nullptr));
    if (code == nullptr) {
      throw MachineError(fmt::format("PCRE2 rejects the pattern {} at {}: {}; use PCRE2 10.40 or newer", pattern,
                                     offset, pcre_message(error)));
    }
  }
  return code.get();
}

/// Of a text in UTF-8: what the pattern matches, and what lies between, in order. PCRE2's own check of UTF-8 would read the rest of
/// the text again for every piece.
void split(std::string_view text, const char* pattern, std::vector<std::string_view>& pieces) {
  const pcre2_code* const code = compiled(pattern);
  const std::unique_ptr<pcre2_match_data, PcreFree> match(pcre2_match_data_create_from_pattern(code, nullptr));
  if (match == nullptr) {
    throw std::bad_alloc();
  }
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  size_t at = 0;
  while (at < text.size()) {
    const int found =
        pcre2_match(code, subject, text.size(), at, PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, match.get(), nullptr);
    if (found == PCRE2_ERROR_NOMATCH) {
      break;
    }
    if (found < 0) {  // a limit of PCRE2
      throw InputError(fmt::format("cannot split the text at byte {}: {}; shorten the text", at, pcre_message(found)));
    }
    const size_t* const place = pcre2_get_ovector_pointer(match.get());
    if (place[0] > at) {
      pieces.push_back(text.substr(at, place[0] - at));
    }
    pieces.push_back(text.substr(place[0], place[1] - place[0]));
    at = place[1];
  }
  if (at < text.size()) {
    pieces.push_back(text.substr(at));
  }
}

}  // namespace

const PreTokenizer* find_pre_tokenizer(std::string_view name) {
  const auto& all = pre_tokenizers();
  const auto found = std::ranges::find_if(
      all, [&](const PreTokenizer& pre) { return std::ranges::find(pre.names, name) != pre.names.end(); });
  return found != all.end() ? &*found : nullptr;
}

std::vector<std::string_view> pre_tokenizer_names() {
  std::vector<std::string_view> names;
  for (const PreTokenizer& pre : pre_tokenizers()) {
    names.insert(names.end(), pre.names.begin(), pre.names.end());
  }
  return names;
}

std::vector<std::string_view> split_into_pieces(const PreTokenizer& pre, std::string_view text) {
  std::vector<std::string_view> pieces;
  while (!text.empty()) {
    size_t valid = 0;
    for (size_t n; (n = first_character(text.substr(valid)).length) != 0;) {
      valid += n;
    }
    std::vector<std::string_view> parts = {text.substr(0, valid)};
    for (const char* pattern : pre.patterns) {
      std::vector<std::string_view> finer;
      for (const std::string_view part : parts) {
        split(part, pattern, finer);
      }
      parts = std::move(finer);
    }
    pieces.insert(pieces.end(), parts.begin(), parts.end());
    text.remove_prefix(valid);
    size_t invalid = 0;
    while (invalid < text.size() && first_character(text.substr(invalid)).length == 0) {
      ++invalid;
    }
    if (invalid > 0) {
      pieces.push_back(text.substr(0, invalid));
      text.remove_prefix(invalid);
    }
  }
  return pieces;
}

}  // namespace assay
