#pragma once
#include <span>
#include <string_view>
#include <vector>

namespace assay {

/// How a byte-level tokenizer splits a text into the pieces that it encodes one by one: tokenizer.ggml.pre of a model file.
struct PreTokenizer {
  std::vector<std::string_view> names;
  /// Of PCRE2. Each splits the pieces that the one before has left: into what it matches, and what lies between.
  std::vector<const char*> patterns;
  bool ignores_merges = false;  ///< a piece that is a token is that token
  bool begins_texts = false;  ///< a file that does not say whether its first token begins every text means that it does
};

/// nullptr for a name that nothing is known of.
const PreTokenizer* find_pre_tokenizer(std::string_view name);

/// All names.
std::vector<std::string_view> pre_tokenizer_names();

/// The pieces are views of `text` and cover it. Any bytes are taken: those that are not UTF-8 form pieces of their own. The time is linear in
/// the bytes. Throws InputError for what PCRE2 has no memory for.
std::vector<std::string_view> split_into_pieces(const PreTokenizer& pre, std::string_view text);

}  // namespace assay
