#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runner/gguf.h"

namespace assay {

/// Values of tokenizer.ggml.token_type (ggml's `enum llama_token_type`).
enum TokenType : int32_t { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

/// The tokens of a model file: what its tokenizer.ggml.tokens and token_type say.
struct TokenTable {
  std::string file;
  std::vector<std::string> texts;
  std::vector<int32_t> types;  ///< normal where the file has none, but for the token that ends a text

  /// By text, which no two may share but the empty one. Throws InputError.
  std::unordered_map<std::string_view, int32_t> index() const;
};

/// How text without special tokens becomes tokens: by byte pairs or by sentence pieces.
class TextEncoder {
 public:
  virtual ~TextEncoder() = default;

  /// The bytes that each token stands for; none of a control token.
  virtual const std::vector<std::string>& pieces() const = 0;
  /// Appends the tokens of a part of a text; `begins`: it is the first, or follows a special token.
  virtual void encode(std::string_view text, bool begins, std::vector<int32_t>& ids) const = 0;
};

}  // namespace assay
