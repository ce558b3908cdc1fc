#include "kernels/shared/scalar.h"
#include "kernels/convert_f16/kernel.h"
#include "kernels/shared/independent.h"

extern "C" convert_f16_fn convert_f16_scalar;

// Without branches, so that the compiler (auto_v2 .. auto_v4) can keep it in vectors. As half_of in kernels/shared/scalar.h.
extern "C" void convert_f16_scalar(uint16_t* y, const float* x, size_t n) {
  INDEPENDENT_ITERATIONS  // y does not overlap x
  for (size_t i = 0; i < n; ++i) {
    const uint32_t bits = bits_of(x[i]);
    const uint32_t magnitude = bits & 0x7fffffff;
    // Another bias (15 for 127), half a step less one, and one more where the last bit kept is odd.
    const uint32_t normal = (magnitude - (112u << 23) + 0xfff + (magnitude >> 13 & 1)) >> 13;
    // A step of 0.5 is 2^-24, that of subnormal fp16: the addition rounds.
    const uint32_t subnormal = bits_of(float_of(magnitude) + 0.5f) - bits_of(0.5f);
    uint32_t half = magnitude < 0x38800000 ? subnormal : normal;  // under 2^-14
    half = magnitude >= 0x477ff000 ? 0x7c00 : half;               // 65520 and over
    half = magnitude > 0x7f800000 ? 0x7e00 : half;
    y[i] = static_cast<uint16_t>(half | (bits >> 16 & 0x8000));
  }
}
