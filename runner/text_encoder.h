#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runner/gguf.h"

namespace assay {

/// What to do about a vocabulary that is wrong.
inline constexpr const char* kReconvert = "re-convert the model";

/// A special token, or one to be looked for at each place of a text, may have so many bytes: far above what any model has. It bounds the
/// time that a text takes.
inline constexpr size_t kLongestSearched = 1024;

/// Values of tokenizer.ggml.token_type (ggml's `enum llama_token_type`).
enum TokenType : int32_t { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

/// The tokens of a model file: what its tokenizer.ggml.tokens and token_type say.
struct TokenTable {
  std::string file;
  const std::vector<std::string>& texts;  ///< the file's own
  std::vector<int32_t> types;             ///< normal where the file has none, but for the token that ends a text

  /// By text, which no two may share but the empty one. Throws InputError.
  std::unordered_map<std::string_view, int32_t> index() const;
};

/// Token IDs by text.
struct TextHash {
  using is_transparent = void;  // what is looked up need not be a std::string
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};
using TokenIds = std::unordered_map<std::string, int32_t, TextHash, std::equal_to<>>;

/// How text without special tokens becomes tokens: by byte pairs, by sentence pieces or by the longest match.
class TextEncoder {
 public:
  virtual ~TextEncoder() = default;

  /// The bytes that each token stands for; none of a control token.
  virtual const std::vector<std::string>& pieces() const = 0;
  /// Appends the tokens of a part of a text; `begins`: it is the first, or follows a special token.
  virtual void encode(std::string_view text, bool begins, std::vector<int32_t>& ids) const = 0;
};

}  // namespace assay
