#include "reference/quantize_q8_k.h"

#include <bit>
#include <cmath>

#include "reference/little_endian.h"

namespace reference {

void quantize_q8_k(uint8_t* dst, const float* x, size_t n) {
  for (size_t block = 0; block < n / 256; ++block, x += 256, dst += 292) {
    float most = 0;
    bool finite = true;
    for (size_t i = 0; i < 256; ++i) {
      most = std::fabs(x[i]) > std::fabs(most) ? x[i] : most;  // the first of equals stays
      finite = finite && std::isfinite(x[i]);
    }
    const float inverse = -127.0f / most;
    const bool usable = finite && std::isfinite(inverse);
    put(dst, !finite ? 0x7fc00000 : usable ? std::bit_cast<uint32_t>(1.0f / inverse) : 0, 4);
    for (size_t j = 0; j < 16; ++j) {
      int sum = 0;
      for (size_t i = 16 * j; i < 16 * j + 16; ++i) {
        const float scaled = usable ? x[i] * inverse : 0.0f;
        const int code = static_cast<int>(std::nearbyint(scaled));
        put(dst + 4 + i, static_cast<uint32_t>(code), 1);
        sum += code;
      }
      put(dst + 260 + 2 * j, static_cast<uint32_t>(sum), 2);
    }
  }
}

}  // namespace reference
