#include <stdint.h>
#include <string.h>

#include "kernels/exp_f32/kernel.h"
#include "kernels/shared/independent.h"
#include "kernels/shared/scalar.h"

extern "C" exp_f32_fn exp_f32_scalar;

// e^x = 2^n e^r with n = rint(x / ln 2), |r| <= ln(2) / 2.
extern "C" void exp_f32_scalar(float* y, const float* x, size_t n) {
  // Every x beyond these limits has the result of the limit, 0 or Inf, and n stays in [-150, 128].
  const float low = -104;
  const float high = 89;
  const float log2e = 0x1.715476p0f;
  // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits of the float, here with a bias of 254.
  const float magic = 0x1.8p23f + 254;
  // ln 2 = ln2_high + ln2_low; ln2_high has 15 bits, so that n * ln2_high is exact without FMA.
  const float ln2_high = 0x1.62e4p-1f;
  const float ln2_low = 0x1.7f7d1cp-20f;
  // e^r = 1 + r + r^2 (c2 + .. + c6 r^4): coefficients of least relative error, 2^-28.2, for |r| <= 1.0005 ln(2) / 2:
  // a Remez exchange, then rounded to float and improved by single ULPs.
  const float c2 = 0x1.fffffcp-2f;
  const float c3 = 0x1.555492p-3f;
  const float c4 = 0x1.5558d2p-5f;
  const float c5 = 0x1.1239c4p-7f;
  const float c6 = 0x1.6a2332p-10f;
  INDEPENDENT_ITERATIONS  // y may be x itself, but no other element of it
  for (size_t i = 0; i < n; ++i) {
    float v = x[i];
    v = v < low ? low : v;  // false for a NaN, which stays
    v = v > high ? high : v;
    const float biased = v * log2e + magic;
    const float whole = biased - magic;
    const float r_high = v - whole * ln2_high;  // exact
    const float r_low = whole * ln2_low;
    const float r = r_high - r_low;
    const float s = (((c6 * r + c5) * r + c4) * r + c3) * r + c2;
    // The parts of r are added apart, the smaller first: the rounding of r alone would cost 1/4 ULP.
    const float p = 1 + (r_high + (s * (r * r) - r_low));
    // 2^n in two factors, as n may be -150 or 128: the first product is exact, so a subnormal is rounded once.
    const uint32_t first = bits_of(biased) >> 1 << 23;
    const uint32_t second = (bits_of(biased) << 23) - first;
    y[i] = p * float_of(first) * float_of(second);
  }
}
