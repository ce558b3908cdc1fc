#include "kernels/quantize_i8_s/kernel.h"
#include "kernels/quantize_i8_s/row.h"
#include "kernels/shared/independent.h"
#include "kernels/shared/round.h"

extern "C" quantize_i8_s_fn quantize_i8_s_scalar;

extern "C" void quantize_i8_s_scalar(void* dst, const float* x, size_t n, float scale) {
  uint8_t* row = static_cast<uint8_t*>(dst);
  // Magnitudes are ordered as their bits are, NaN above Inf above all numbers.
  int32_t most = kLeast;
  for (size_t i = 0; i < n; ++i) {
    int32_t bits;
    memcpy(&bits, x + i, sizeof bits);
    bits &= 0x7fffffff;
    most = bits > most ? bits : most;
  }
  if (most >= 0x7f800000) {
    write_no_row(row, n);
    return;
  }
  float largest;
  memcpy(&largest, &most, sizeof largest);
  const float inverse = 127.0f / largest;
  int32_t sum = 0;
  INDEPENDENT_ITERATIONS  // dst does not overlap x
  for (size_t i = 0; i < n; ++i) {
    // cvtss2si, as -fno-math-errno and -fno-trapping-math allow. Adding 1.5 * 2^23 would do the same, had the
    // compiler not the right to fuse that with the product, which must be rounded first.
    const int code = round_to_int(x[i] * inverse);
    row[kHead + i] = static_cast<uint8_t>(code);
    sum += code;
  }
  write_head(row, scale / inverse, sum);
}
