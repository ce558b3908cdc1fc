#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace reference {

/// What becomes of the activations that weights of a format are multiplied with: the contract of the matrix product for
/// that format says it, since it is part of what the product means.
enum class Activations {
  as_they_are,
  q8_0,  ///< rounded to Q8_0 first, as the contract of quantize_q8_0 has it
  q8_k,  ///< rounded to Q8_K first, as the contract of quantize_q8_k has it
  i8_s,  ///< rounded to one scale a token, as the contract of quantize_i8_s has it
};

/// How weights lie in a model file: `bytes` bytes, a block, hold `elements` consecutive weights of a row.
struct Format {
  uint32_t type;     ///< GGUF's number (`enum ggml_type`)
  const char* name;  ///< as people write it: "Q8_0"
  size_t elements, bytes;
  Activations activations;
  /// The weights of the block at `block`, exactly.
  void (*decode)(const uint8_t* block, double* out);
  /// Of a format with minima the same in two parts, exact each: what the codes are times the scales, and what is added whatever the code
  /// is. nullptr: there is no second part.
  void (*parts)(const uint8_t* block, double* scaled, double* offsets) = nullptr;
};

/// All formats of reference/formats/, of which each file <name>.cpp defines `Format <name>_format()`. The decoders
/// are the reference's own: they share nothing with what is judged by them.
const std::vector<Format>& formats();

/// nullptr for a type that is none of them.
const Format* find_format(uint32_t type);

/// All weights of `count` consecutive blocks.
std::vector<double> decode(const Format& format, const uint8_t* blocks, size_t count);

}  // namespace reference
