#include <stdint.h>
#include <string.h>

#include "kernels/quantize_i8_s/kernel.h"
#include "kernels/shared/scalar.h"

extern "C" quantize_i8_s_fn quantize_i8_s_scalar;

extern "C" void quantize_i8_s_scalar(void* dst, const float* x, size_t n, float scale) {
  int8_t* q = static_cast<int8_t*>(dst) + 8;
  // Magnitudes are ordered as their bits are, NaN above Inf above all numbers.
  int32_t most = 0x3727c5ac;  // 1e-5f
  for (size_t i = 0; i < n; ++i) {
    int32_t bits;
    memcpy(&bits, x + i, sizeof bits);
    bits &= 0x7fffffff;
    most = bits > most ? bits : most;
  }
  float d;
  int32_t sum = 0;
  if (most >= 0x7f800000) {
    const uint32_t nan = 0x7fc00000;
    memcpy(&d, &nan, sizeof d);
    memset(q, 0, n);
  } else {
    float largest;
    memcpy(&largest, &most, sizeof largest);
    const float inverse = 127.0f / largest;
    d = scale / inverse;
#pragma GCC ivdep  // dst does not overlap x
    for (size_t i = 0; i < n; ++i) {
      // cvtss2si, as -fno-math-errno and -fno-trapping-math allow. Adding 1.5 * 2^23 would do the same, had the
      // compiler not the right to fuse that with the product, which must be rounded first.
      const int code = static_cast<int>(__builtin_irintf(x[i] * inverse));
      q[i] = static_cast<int8_t>(code);
      sum += code;
    }
  }
  memcpy(static_cast<int8_t*>(dst), &d, sizeof d);
  memcpy(static_cast<int8_t*>(dst) + 4, &sum, sizeof sum);
}
