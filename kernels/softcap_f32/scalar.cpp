#include "kernels/shared/scalar_activations.h"
#include "kernels/softcap_f32/kernel.h"

extern "C" softcap_f32_fn softcap_f32_scalar;

// c tanh(x / c) = c E / (E + 2), E = 2^u - 1, u = |x| 2 log2(e) / c; 2^u - 1 = 2^n (2^f - 1) + (2^n - 1), of which nothing cancels.
extern "C" void softcap_f32_scalar(float* y, const float* x, float c, size_t n) {
  const double k = 2.8853900817779268 / static_cast<double>(c);
  const double magic = 0x1.8p52 + 127;
#pragma GCC ivdep  // y may be x itself, but no other element of it: iterations are independent
  for (size_t i = 0; i < n; ++i) {
    const double exponent = static_cast<double>(__builtin_fabsf(x[i])) * k;
    const double u = exponent > 30 ? 30 : exponent;  // E / (E + 2) is 1 there; false for a NaN, which stays
    const double biased = u + magic;
    const float f = static_cast<float>(u - (biased - magic));
    const float power = float_of(low_bits_of(biased) << 23);
    const float e = power * power_of_two_less_one(f) + (power - 1);
    y[i] = __builtin_copysignf(c * (e / (e + 2)), x[i]);
  }
}
