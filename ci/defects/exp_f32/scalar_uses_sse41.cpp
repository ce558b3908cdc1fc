// defect: rounding to an integer is ROUNDSS of SSE4.1
// class: gating
// stands for: an instruction newer than the baseline in the variant that must run everywhere
// caught by: isa illegal-instruction
#include <stdint.h>
#include <string.h>

#include "kernels/exp_f32/kernel.h"

extern "C" exp_f32_fn exp_f32_scalar_uses_sse41;

static inline float power_of_two(int n) {
  const uint32_t bits = static_cast<uint32_t>(n + 127) << 23;
  float f;
  memcpy(&f, &bits, sizeof f);
  return f;
}

extern "C" void exp_f32_scalar_uses_sse41(float* y, const float* x, size_t n) {
  // The algorithm and the constants are explained in kernels/exp_f32/scalar.cpp.
  for (size_t i = 0; i < n; ++i) {
    float v = x[i];
    v = v < -104 ? -104 : v;
    v = v > 89 ? 89 : v;
    if (v != v) {
      y[i] = v;
      continue;
    }
    float whole = v * 0x1.715476p0f;
    asm("roundss $0, %0, %0" : "+x"(whole));
    const float r_high = v - whole * 0x1.62e4p-1f;
    const float r_low = whole * 0x1.7f7d1cp-20f;
    const float r = r_high - r_low;
    const float s =
        (((0x1.6a2332p-10f * r + 0x1.1239c4p-7f) * r + 0x1.5558d2p-5f) * r + 0x1.555492p-3f) * r + 0x1.fffffcp-2f;
    const float p = 1 + (r_high + (s * (r * r) - r_low));
    const int e = static_cast<int>(whole);
    y[i] = p * power_of_two(e / 2) * power_of_two(e - e / 2);
  }
}
