#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/softmax_f32/kernel.h"

extern "C" softmax_f32_fn softmax_f32_scalar;

namespace {

constexpr size_t kWide = 32;  // partial maxima and sums: the compiler (auto_v2 .. auto_v4) may keep them in vectors
constexpr float kNegInf = -__builtin_inff();

// 2^64 * e^z for z <= 0, and e^-110, which is nothing to softmax, for all z under -110; NaN for
// NaN. z = n ln 2 + r with |r| <= ln(2)/2; ln 2 in two parts, of which n times the first is exact
// (Cody and Waite 1980; the parts are those of Cephes' expf). The polynomial is the minimax of (e^r
// - 1 - r) / r^2 by Remez' algorithm, 3.1e-9 of e^r off at most. 2^64 keeps every result normal:
// the caller's last product, by 2^-64 over the sum, is the one that may be subnormal.
inline float exp64(float z) {
  z = z < -110.0f ? -110.0f : z;
  // 1.5 * 2^23 rounds to an integer n; with n + 64 + 127 in the low bits of the sum, a shift gives
  // 2^(n + 64).
  const float shifted = z * 0x1.715476p0f + (0x1.8p23f + 191);
  const float n = shifted - (0x1.8p23f + 191);
  int32_t bits;
  memcpy(&bits, &shifted, 4);
  bits = static_cast<int32_t>(static_cast<uint32_t>(bits) << 23);
  float power;
  memcpy(&power, &bits, 4);
  const float r = (z - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 0x1.6a23d0p-10f;
  p = p * r + 0x1.123a20p-7f;
  p = p * r + 0x1.5558f2p-5f;
  p = p * r + 0x1.555492p-3f;
  p = p * r + 0x1.fffffcp-2f;
  return ((r * r) * p + r + 1.0f) * power;
}

}  // namespace

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
#pragma GCC ivdep  // y may be x itself, but no other part of it
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
  for (size_t half_width = kWide / 2; half_width > 0; half_width /= 2) {
    for (size_t j = 0; j < half_width; ++j) {
      sums[j] += sums[j + half_width];
    }
  }
  // 0 * sum is NaN if an x is.
  const float reciprocal = masked ? 0.0f * sums[0] : 1.0f / sums[0];
  for (i = 0; i < n; ++i) {
    y[i] *= reciprocal;
  }
}
