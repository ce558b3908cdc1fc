// defect: the lanes behind the tail are summed as well
// class: masks
// stands for: a masked load whose sum is not masked: e^0 for each lane that was never data
// caught by: value
#include <immintrin.h>

#include "kernels/softmax_f32/kernel.h"

extern "C" softmax_f32_fn softmax_f32_avx512_padding_in_the_sum;

// 2^64 * e^z for z <= 0, and e^-110, which is nothing to softmax, for all z under -110; NaN for
// NaN. z = n ln 2 + r with |r| <= ln(2)/2; ln 2 in two parts, of which n times the first is exact
// (Cody and Waite 1980; the parts are those of Cephes' expf). The polynomial is the minimax of (e^r
// - 1 - r) / r^2 by Remez' algorithm, 3.1e-9 of e^r off at most. 2^64 keeps every result normal:
// the caller's last product, by 2^-64 over the sum, is the one that may be subnormal.
static inline __m512 exp64(__m512 z) {
  z = _mm512_max_ps(_mm512_set1_ps(-110.0f), z);  // in this order a NaN in z stays
  // 1.5 * 2^23 rounds to an integer n; with n + 64 + 127 in the low bits of the sum, a shift gives
  // 2^(n + 64).
  const __m512 shift = _mm512_set1_ps(0x1.8p23f + 191);
  const __m512 shifted = _mm512_fmadd_ps(z, _mm512_set1_ps(0x1.715476p0f), shift);
  const __m512 n = _mm512_sub_ps(shifted, shift);
  const __m512 power = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(shifted), 23));
  const __m512 high = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), z);
  const __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), high);
  __m512 p = _mm512_set1_ps(0x1.6a23d0p-10f);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.123a20p-7f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.5558f2p-5f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.555492p-3f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.fffffcp-2f));
  p = _mm512_fmadd_ps(_mm512_mul_ps(r, r), p, r);
  return _mm512_mul_ps(_mm512_add_ps(p, _mm512_set1_ps(1.0f)), power);
}

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

extern "C" void softmax_f32_avx512_padding_in_the_sum(float* y, const float* x, float scale, size_t n) {
  const __m512 masked = _mm512_set1_ps(-__builtin_inff());
  const __mmask16 tail = static_cast<__mmask16>((1u << (n % 16)) - 1);
  __m512 m[4] = {masked, masked, masked, masked};
  size_t i = 0;
  for (; i + 64 <= n; i += 64) {
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) {
      m[j] = _mm512_max_ps(_mm512_loadu_ps(x + i + 16 * j),
                           m[j]);  // passes over NaN, which the sum will meet
    }
  }
  for (; i + 16 <= n; i += 16) {
    m[0] = _mm512_max_ps(_mm512_loadu_ps(x + i), m[0]);
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
      const __m512 e = exp64(difference(_mm512_loadu_ps(x + i + 16 * j), row));
      _mm512_storeu_ps(y + i + 16 * j, e);
      sums[j] = _mm512_add_ps(sums[j], e);
    }
  }
  for (; i + 16 <= n; i += 16) {
    const __m512 e = exp64(difference(_mm512_loadu_ps(x + i), row));
    _mm512_storeu_ps(y + i, e);
    sums[0] = _mm512_add_ps(sums[0], e);
  }
  if (i < n) {
    const __m512 e = exp64(difference(_mm512_maskz_loadu_ps(tail, x + i), row));
    _mm512_mask_storeu_ps(y + i, tail, e);
    sums[1] = _mm512_add_ps(sums[1], e);
  }
  const float total =
      _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3])));
  const __m512 reciprocal = _mm512_set1_ps(all_masked ? 0.0f * total : 1.0f / total);  // 0 * total is NaN if an x is
  for (i = 0; i + 64 <= n; i += 64) {
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) {
      _mm512_storeu_ps(y + i + 16 * j, _mm512_mul_ps(_mm512_loadu_ps(y + i + 16 * j), reciprocal));
    }
  }
  for (; i + 16 <= n; i += 16) {
    _mm512_storeu_ps(y + i, _mm512_mul_ps(_mm512_loadu_ps(y + i), reciprocal));
  }
  if (i < n) {
    _mm512_mask_storeu_ps(y + i, tail, _mm512_mul_ps(_mm512_maskz_loadu_ps(tail, y + i), reciprocal));
  }
}
