#include <stdint.h>
#include <string.h>

#include "kernels/quantize_q8_0/kernel.h"
#include "kernels/shared/independent.h"
#include "kernels/shared/round.h"
#include "kernels/shared/scalar.h"

extern "C" quantize_q8_0_fn quantize_q8_0_scalar;

extern "C" void quantize_q8_0_scalar(void* dst, const float* x, size_t n) {
  int8_t* out = static_cast<int8_t*>(dst);
  for (size_t i = 0; i < n; i += 32, x += 32, out += 34) {
    // Magnitudes are ordered as their bits are, NaN above Inf above all numbers.
    int32_t largest = 0;
    for (size_t j = 0; j < 32; ++j) {
      int32_t bits;
      memcpy(&bits, x + j, sizeof bits);
      bits &= 0x7fffffff;
      largest = bits > largest ? bits : largest;
    }
    const float amax = float_of(static_cast<uint32_t>(largest));
    const float inverse = 127.0f / amax;
    if (largest >= 0x7f800000 || bits_of(inverse) == 0x7f800000u) {
      const uint16_t d = largest >= 0x7f800000 ? 0x7e00 : 0;
      memcpy(out, &d, sizeof d);
      memset(out + 2, 0, 32);
      continue;
    }
    const uint16_t d = half_of(amax / 127.0f);
    memcpy(out, &d, sizeof d);
    INDEPENDENT_ITERATIONS  // dst does not overlap x
    for (size_t j = 0; j < 32; ++j) {
      // cvtss2si, as -fno-math-errno and -fno-trapping-math allow. Adding 1.5 * 2^23 would do the same, had the
      // compiler not the right to fuse that with the product, which must be rounded first.
      out[2 + j] = static_cast<int8_t>(round_to_int(x[j] * inverse));
    }
  }
}
