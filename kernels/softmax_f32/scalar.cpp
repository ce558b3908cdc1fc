#include "kernels/shared/independent.h"
#include "kernels/shared/scalar.h"
#include "kernels/softmax_f32/kernel.h"

extern "C" softmax_f32_fn softmax_f32_scalar;

static constexpr size_t kWide = 32;  // partial maxima and sums, see add_up in scalar.h
static constexpr float kNegInf = -__builtin_inff();

extern "C" void softmax_f32_scalar(float* y, const float* x, float scale, size_t n) {
  float maxima[kWide];
  for (size_t j = 0; j < kWide; ++j) {
    maxima[j] = kNegInf;
  }
  size_t i = 0;
  for (; i + kWide <= n; i += kWide) {
    for (size_t j = 0; j < kWide; ++j) {
      maxima[j] = x[i + j] > maxima[j] ? x[i + j] : maxima[j];  // passes over NaN, which the sum will meet
    }
  }
  for (size_t j = 0; i < n; ++i, ++j) {
    maxima[j] = x[i] > maxima[j] ? x[i] : maxima[j];
  }
  float max = kNegInf;
  for (size_t j = 0; j < kWide; ++j) {
    max = maxima[j] > max ? maxima[j] : max;
  }
  // scale * (x - max) rounds less than scale * x - scale * max, and no contraction to FMA can make
  // the largest element's anything but 0. For a max near FLT_MAX the difference could overflow, so
  // it is halved.
  const bool masked = max == kNegInf;
  const float half = max >= 0x1p103f ? 0.5f : 1.0f;
  const float zero = masked ? 0.0f : max * half;
  const float step = max >= 0x1p103f ? scale * 2.0f : scale;
  float sums[kWide] = {};
  for (i = 0; i + kWide <= n; i += kWide) {
    const float* from = x + i;
    float* to = y + i;
    INDEPENDENT_ITERATIONS  // y may be x itself, but no other part of it
    for (size_t j = 0; j < kWide; ++j) {
      const float e = exp64((from[j] * half - zero) * step);
      to[j] = e;
      sums[j] += e;
    }
  }
  for (size_t j = 0; i < n; ++i, ++j) {
    y[i] = exp64((x[i] * half - zero) * step);
    sums[j] += y[i];
  }
  const float sum = add_up(sums);
  const float reciprocal = masked ? 0.0f * sum : 1.0f / sum;  // 0 * sum is NaN if an x is
  for (i = 0; i < n; ++i) {
    y[i] *= reciprocal;
  }
}
