#include "kernels/shared/avx512.h"
#include "kernels/softmax_f32/kernel.h"

extern "C" softmax_f32_fn softmax_f32_avx512;

// scale * (x - max) rounds less than scale * x - scale * max, and no contraction to FMA can make
// the largest element's anything but 0. For a max near FLT_MAX the difference could overflow, so it
// is halved.
struct Row {
  __m512 half;
  __m512 max;   // times half
  __m512 step;  // scale / half
};

static inline __m512 difference(__m512 x, const Row& row) {
  return _mm512_mul_ps(_mm512_fmsub_ps(x, row.half, row.max), row.step);
}

extern "C" void softmax_f32_avx512(float* y, const float* x, float scale, size_t n) {
  const __m512 masked = _mm512_set1_ps(-__builtin_inff());
  const __mmask16 tail = mask_of(n % 16);
  __m512 m[4] = {masked, masked, masked, masked};
  size_t i = 0;
  for (; i + 64 <= n; i += 64) {
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) {
      m[j] = _mm512_max_ps(load(x + i + 16 * j),
                           m[j]);  // passes over NaN, which the sum will meet
    }
  }
  for (; i + 16 <= n; i += 16) {
    m[0] = _mm512_max_ps(load(x + i), m[0]);
  }
  if (i < n) {
    m[1] = _mm512_max_ps(_mm512_mask_loadu_ps(masked, tail, x + i), m[1]);
  }
  const float max = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_max_ps(m[0], m[1]), _mm512_max_ps(m[2], m[3])));
  const bool all_masked = max == -__builtin_inff();
  const bool large = max >= 0x1p103f;
  const float half = large ? 0.5f : 1.0f;
  const Row row = {_mm512_set1_ps(half), _mm512_set1_ps(all_masked ? 0.0f : max * half),
                   _mm512_set1_ps(large ? scale * 2 : scale)};
  __m512 sums[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
  for (i = 0; i + 64 <= n; i += 64) {
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) {
      const __m512 e = exp64(difference(load(x + i + 16 * j), row));
      store(y + i + 16 * j, e);
      sums[j] = _mm512_add_ps(sums[j], e);
    }
  }
  for (; i + 16 <= n; i += 16) {
    const __m512 e = exp64(difference(load(x + i), row));
    store(y + i, e);
    sums[0] = _mm512_add_ps(sums[0], e);
  }
  if (i < n) {
    const __m512 e = exp64(difference(load(x + i, tail), row));
    store(y + i, tail, e);
    sums[1] = _mm512_mask_add_ps(sums[1], tail, sums[1], e);
  }
  const float total = add_up(sums);
  const __m512 reciprocal = _mm512_set1_ps(all_masked ? 0.0f * total : 1.0f / total);  // 0 * total is NaN if an x is
  const auto normalise = [=](__m512 e) { return _mm512_mul_ps(e, reciprocal); };
  elementwise<4>(y, n, normalise, y);
}
