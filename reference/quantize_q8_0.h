#pragma once
#include <cstddef>
#include <cstdint>

namespace reference {

/// Q8_0 of x[0..n), n a multiple of 32: each 32 floats become 34 bytes of dst, fp16 d (little endian) and 32 int8.
/// amax = max |x|, d = fp16(amax / 127), q = rint(x * (127 / amax)); both divisions and the product are float
/// operations. NaN or Inf in the block: d = 0x7e00, q = 0. 127 / amax not finite: d = 0, q = 0.
void quantize_q8_0(uint8_t* dst, const float* x, size_t n);

}  // namespace reference
