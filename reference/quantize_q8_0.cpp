#include "reference/quantize_q8_0.h"

#include <algorithm>
#include <cmath>

#include "reference/convert_f16.h"

namespace reference {
void quantize_q8_0(uint8_t* dst, const float* x, size_t n) {
  for (size_t block = 0; block < n / 32; ++block, x += 32, dst += 34) {
    float amax = 0;
    bool finite = true;
    for (size_t i = 0; i < 32; ++i) {
      amax = std::max(amax, std::fabs(x[i]));
      finite = finite && std::isfinite(x[i]);
    }
    const float inverse = 127.0f / amax;
    const bool usable = finite && std::isfinite(inverse);
    const uint16_t d = !finite  ? uint16_t{0x7e00}
                       : usable ? half_nearest(static_cast<double>(amax / 127.0f))
                                : uint16_t{0};
    dst[0] = static_cast<uint8_t>(d & 0xff);
    dst[1] = static_cast<uint8_t>(d >> 8);
    for (size_t i = 0; i < 32; ++i) {
      const float scaled = usable ? x[i] * inverse : 0.0f;
      dst[2 + i] = static_cast<uint8_t>(static_cast<int8_t>(std::nearbyint(scaled)));
    }
  }
}

}  // namespace reference
