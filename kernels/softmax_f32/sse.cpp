#include <immintrin.h>

#include "kernels/softmax_f32/kernel.h"

extern "C" softmax_f32_fn softmax_f32_sse;

// 2^64 * e^z for z <= 0, and e^-110, which is nothing to softmax, for all z under -110; NaN for
// NaN. z = n ln 2 + r with |r| <= ln(2)/2; ln 2 in two parts, of which n times the first is exact
// (Cody and Waite 1980; the parts are those of Cephes' expf). The polynomial is the minimax of (e^r
// - 1 - r) / r^2 by Remez' algorithm, 3.1e-9 of e^r off at most. 2^64 keeps every result normal:
// the caller's last product, by 2^-64 over the sum, is the one that may be subnormal.
static inline __m128 exp64(__m128 z) {
  z = _mm_max_ps(_mm_set1_ps(-110.0f), z);  // in this order a NaN in z stays
  // 1.5 * 2^23 rounds to an integer n; with n + 64 + 127 in the low bits of the sum, a shift gives
  // 2^(n + 64).
  const __m128 shift = _mm_set1_ps(0x1.8p23f + 191);
  const __m128 shifted = _mm_add_ps(_mm_mul_ps(z, _mm_set1_ps(0x1.715476p0f)), shift);
  const __m128 n = _mm_sub_ps(shifted, shift);
  const __m128 power = _mm_castsi128_ps(_mm_slli_epi32(_mm_castps_si128(shifted), 23));
  const __m128 high = _mm_sub_ps(z, _mm_mul_ps(n, _mm_set1_ps(0.693359375f)));
  const __m128 r = _mm_sub_ps(high, _mm_mul_ps(n, _mm_set1_ps(-2.12194440e-4f)));
  __m128 p = _mm_set1_ps(0x1.6a23d0p-10f);
  p = _mm_add_ps(_mm_mul_ps(p, r), _mm_set1_ps(0x1.123a20p-7f));
  p = _mm_add_ps(_mm_mul_ps(p, r), _mm_set1_ps(0x1.5558f2p-5f));
  p = _mm_add_ps(_mm_mul_ps(p, r), _mm_set1_ps(0x1.555492p-3f));
  p = _mm_add_ps(_mm_mul_ps(p, r), _mm_set1_ps(0x1.fffffcp-2f));
  p = _mm_add_ps(_mm_mul_ps(_mm_mul_ps(r, r), p), r);
  return _mm_mul_ps(_mm_add_ps(p, _mm_set1_ps(1.0f)), power);
}

extern "C" void softmax_f32_sse(float* y, const float* x, float scale, size_t n) {
  const __m128 s = _mm_set1_ps(scale);
  const __m128 masked = _mm_set1_ps(-__builtin_inff());
  __m128 m[4] = {masked, masked, masked, masked};
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) {
      m[j] = _mm_max_ps(_mm_loadu_ps(x + i + 4 * j),
                        m[j]);  // passes over NaN, which the sum will meet
    }
  }
  for (; i < n; ++i) {
    m[0] = _mm_max_ps(_mm_set1_ps(x[i]), m[0]);
  }
  __m128 max = _mm_max_ps(_mm_max_ps(m[0], m[1]), _mm_max_ps(m[2], m[3]));
  max = _mm_max_ps(max, _mm_movehl_ps(max, max));
  max = _mm_max_ss(max, _mm_movehdup_ps(max));
  const bool all_masked = _mm_comieq_ss(max, masked);
  max = all_masked ? _mm_setzero_ps() : _mm_mul_ps(_mm_shuffle_ps(max, max, 0), s);
  __m128 sums[4] = {_mm_setzero_ps(), _mm_setzero_ps(), _mm_setzero_ps(), _mm_setzero_ps()};
  for (i = 0; i + 16 <= n; i += 16) {
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) {
      const __m128 e = exp64(_mm_sub_ps(_mm_mul_ps(_mm_loadu_ps(x + i + 4 * j), s), max));
      _mm_storeu_ps(y + i + 4 * j, e);
      sums[j] = _mm_add_ps(sums[j], e);
    }
  }
  for (; i + 4 <= n; i += 4) {
    const __m128 e = exp64(_mm_sub_ps(_mm_mul_ps(_mm_loadu_ps(x + i), s), max));
    _mm_storeu_ps(y + i, e);
    sums[0] = _mm_add_ps(sums[0], e);
  }
  for (; i < n; ++i) {
    const __m128 e = exp64(_mm_sub_ps(_mm_mul_ps(_mm_load_ss(x + i), s), max));
    _mm_store_ss(y + i, e);
    sums[1] = _mm_add_ss(sums[1], e);
  }
  __m128 sum = _mm_add_ps(_mm_add_ps(sums[0], sums[1]), _mm_add_ps(sums[2], sums[3]));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  sum = _mm_add_ss(sum, _mm_movehdup_ps(sum));
  // 0 * sum is NaN if an x is.
  __m128 reciprocal = all_masked ? _mm_mul_ss(sum, _mm_setzero_ps()) : _mm_div_ss(_mm_set_ss(1.0f), sum);
  reciprocal = _mm_shuffle_ps(reciprocal, reciprocal, 0);
  for (i = 0; i + 4 <= n; i += 4) {
    _mm_storeu_ps(y + i, _mm_mul_ps(_mm_loadu_ps(y + i), reciprocal));
  }
  for (; i < n; ++i) {
    _mm_store_ss(y + i, _mm_mul_ss(_mm_load_ss(y + i), reciprocal));
  }
}
