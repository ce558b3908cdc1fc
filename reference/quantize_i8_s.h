#pragma once
#include <cstddef>
#include <cstdint>

namespace reference {

/// A token as a float d, the int32 sum of its codes and n codes, 8 + n bytes. With L the largest magnitude, at least 1e-5f: codes are
/// rint(x * (127 / L)), d = scale / (127 / L), all in float. A token with NaN or Inf: d = NaN, codes 0.
void quantize_i8_s(uint8_t* dst, const float* x, size_t n, float scale);

}  // namespace reference
