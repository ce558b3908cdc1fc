#pragma once
#include <cstddef>
#include <cstdint>

namespace reference {

/// Each 256 values as a float d, 256 codes and 16 sums of codes, 292 bytes (ggml's block_q8_K). With M the first value of the largest
/// magnitude: codes are rint(x * (-127 / M)), d = 1 / (-127 / M), all in float. A block with NaN or Inf: d = NaN, codes 0; one whose
/// 127 / |M| overflows: d = 0, codes 0.
void quantize_q8_k(uint8_t* dst, const float* x, size_t n);

}  // namespace reference
