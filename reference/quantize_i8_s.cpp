#include "reference/quantize_i8_s.h"

#include <bit>
#include <cmath>

#include "reference/little_endian.h"

namespace reference {

void quantize_i8_s(uint8_t* dst, const float* x, size_t n, float scale) {
  float largest = 1e-5f;
  bool finite = true;
  for (size_t i = 0; i < n; ++i) {
    largest = std::fabs(x[i]) > largest ? std::fabs(x[i]) : largest;
    finite = finite && std::isfinite(x[i]);
  }
  const float inverse = 127.0f / largest;
  int64_t sum = 0;
  for (size_t i = 0; i < n; ++i) {
    const float scaled = finite ? x[i] * inverse : 0.0f;
    const int code = static_cast<int>(std::nearbyint(scaled));
    dst[8 + i] = static_cast<uint8_t>(code);
    sum += code;
  }
  put(dst, finite ? std::bit_cast<uint32_t>(scale / inverse) : 0x7fc00000, 4);
  put(dst + 4, static_cast<uint32_t>(sum), 4);
}

}  // namespace reference
