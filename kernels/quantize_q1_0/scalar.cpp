#include <stdint.h>
#include <string.h>

#include "kernels/quantize_q1_0/kernel.h"
#include "kernels/shared/scalar.h"

extern "C" quantize_q1_0_fn quantize_q1_0_scalar;

// Bit j: a table, as the compiler has no vector of shift counts before AVX2.
static const uint32_t kBit[32] = {1u << 0,  1u << 1,  1u << 2,  1u << 3,  1u << 4,  1u << 5,  1u << 6,  1u << 7,
                                  1u << 8,  1u << 9,  1u << 10, 1u << 11, 1u << 12, 1u << 13, 1u << 14, 1u << 15,
                                  1u << 16, 1u << 17, 1u << 18, 1u << 19, 1u << 20, 1u << 21, 1u << 22, 1u << 23,
                                  1u << 24, 1u << 25, 1u << 26, 1u << 27, 1u << 28, 1u << 29, 1u << 30, 1u << 31};

extern "C" void quantize_q1_0_scalar(void* dst, const float* x, size_t n) {
  uint8_t* out = static_cast<uint8_t*>(dst);
  for (size_t i = 0; i < n; i += 128, x += 128, out += 18) {
    float sums[32] = {};
    for (size_t k = 0; k < 4; ++k) {
      uint32_t bits = 0;
      for (size_t j = 0; j < 32; ++j) {
        const float v = x[32 * k + j];
        bits |= (0u - static_cast<uint32_t>(v >= 0)) & kBit[j];  // no branch: signs are not to be predicted
        sums[j] += __builtin_fabsf(v);
      }
      memcpy(out + 2 + 4 * k, &bits, sizeof bits);
    }
    const uint16_t d = half_of(add_up(sums) * (1.0f / 128));
    memcpy(out, &d, sizeof d);
  }
}
