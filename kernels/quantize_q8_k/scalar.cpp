#include <stdint.h>
#include <string.h>

#include "kernels/quantize_q8_k/kernel.h"
#include "kernels/shared/independent.h"
#include "kernels/shared/round.h"
#include "kernels/shared/scalar.h"

extern "C" quantize_q8_k_fn quantize_q8_k_scalar;

extern "C" void quantize_q8_k_scalar(void* dst, const float* x, size_t n) {
  int8_t* out = static_cast<int8_t*>(dst);
  for (size_t i = 0; i < n; i += 256, x += 256, out += 292) {
    // Magnitudes are ordered as their bits are, NaN above Inf above all numbers.
    int32_t largest = 0;
    for (size_t j = 0; j < 256; ++j) {
      int32_t bits;
      memcpy(&bits, x + j, sizeof bits);
      bits &= 0x7fffffff;
      largest = bits > largest ? bits : largest;
    }
    int32_t first = 255;
    for (int32_t j = 0; j < 256; ++j) {
      int32_t bits;
      memcpy(&bits, x + j, sizeof bits);
      const int32_t here = (bits & 0x7fffffff) == largest ? j : 255;
      first = here < first ? here : first;
    }
    const float inverse = -127.0f / x[first];
    if (largest >= 0x7f800000 || (bits_of(inverse) & 0x7fffffff) == 0x7f800000u) {
      memset(out, 0, 292);
      const uint32_t d = largest >= 0x7f800000 ? 0x7fc00000 : 0;
      memcpy(out, &d, sizeof d);
      continue;
    }
    const float d = 1.0f / inverse;
    memcpy(out, &d, sizeof d);
    int8_t* q = out + 4;
    INDEPENDENT_ITERATIONS  // dst does not overlap x
    for (size_t j = 0; j < 256; ++j) {
      // cvtss2si, as -fno-math-errno and -fno-trapping-math allow. Adding 1.5 * 2^23 would do the same, had the
      // compiler not the right to fuse that with the product, which must be rounded first.
      q[j] = static_cast<int8_t>(round_to_int(x[j] * inverse));
    }
    int16_t sums[16];
    for (size_t j = 0; j < 16; ++j) {
      int sum = 0;
      for (size_t k = 0; k < 16; ++k) {
        sum += q[16 * j + k];
      }
      sums[j] = static_cast<int16_t>(sum);
    }
    memcpy(out + 260, sums, sizeof sums);
  }
}
