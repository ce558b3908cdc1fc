// defect: the clamp of exp has its operands exchanged: a NaN becomes e^-110
// class: floats
// stands for: NaN dropped by the order of the operands of max
// caught by: value
#include <immintrin.h>

#include "kernels/softmax_f32/kernel.h"

extern "C" softmax_f32_fn softmax_f32_avx2_nan_dropped_by_maximum;

// The n % 8 mask is a window into this table.
static const int kMask[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};

// 2^64 * e^z for z <= 0, and e^-110, which is nothing to softmax, for all z under -110; NaN for
// NaN. z = n ln 2 + r with |r| <= ln(2)/2; ln 2 in two parts, of which n times the first is exact
// (Cody and Waite 1980; the parts are those of Cephes' expf). The polynomial is the minimax of (e^r
// - 1 - r) / r^2 by Remez' algorithm, 3.1e-9 of e^r off at most. 2^64 keeps every result normal:
// the caller's last product, by 2^-64 over the sum, is the one that may be subnormal.
static inline __m256 exp64(__m256 z) {
  z = _mm256_max_ps(z, _mm256_set1_ps(-110.0f));
  // 1.5 * 2^23 rounds to an integer n; with n + 64 + 127 in the low bits of the sum, a shift gives
  // 2^(n + 64).
  const __m256 shift = _mm256_set1_ps(0x1.8p23f + 191);
  const __m256 shifted = _mm256_fmadd_ps(z, _mm256_set1_ps(0x1.715476p0f), shift);
  const __m256 n = _mm256_sub_ps(shifted, shift);
  const __m256 power = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(shifted), 23));
  const __m256 high = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375f), z);
  const __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4f), high);
  __m256 p = _mm256_set1_ps(0x1.6a23d0p-10f);
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0x1.123a20p-7f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0x1.5558f2p-5f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0x1.555492p-3f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0x1.fffffcp-2f));
  p = _mm256_fmadd_ps(_mm256_mul_ps(r, r), p, r);
  return _mm256_mul_ps(_mm256_add_ps(p, _mm256_set1_ps(1.0f)), power);
}

// scale * (x - max) rounds less than scale * x - scale * max, and no contraction to FMA can make
// the largest element's anything but 0. For a max near FLT_MAX the difference could overflow, so it
// is halved.
struct Row {
  __m256 half;
  __m256 max;   // times half
  __m256 step;  // scale / half
};

static inline __m256 difference(__m256 x, const Row& row) {
  return _mm256_mul_ps(_mm256_fmsub_ps(x, row.half, row.max), row.step);
}

extern "C" void softmax_f32_avx2_nan_dropped_by_maximum(float* y, const float* x, float scale, size_t n) {
  const __m256 masked = _mm256_set1_ps(-__builtin_inff());
  const __m256i tail = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kMask + 8 - n % 8));
  __m256 m[4] = {masked, masked, masked, masked};
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) {
      m[j] = _mm256_max_ps(_mm256_loadu_ps(x + i + 8 * j),
                           m[j]);  // passes over NaN, which the sum will meet
    }
  }
  for (; i + 8 <= n; i += 8) {
    m[0] = _mm256_max_ps(_mm256_loadu_ps(x + i), m[0]);
  }
  if (i < n) {
    const __m256 last = _mm256_blendv_ps(masked, _mm256_maskload_ps(x + i, tail), _mm256_castsi256_ps(tail));
    m[1] = _mm256_max_ps(last, m[1]);
  }
  m[0] = _mm256_max_ps(_mm256_max_ps(m[0], m[1]), _mm256_max_ps(m[2], m[3]));
  __m128 top = _mm_max_ps(_mm256_castps256_ps128(m[0]), _mm256_extractf128_ps(m[0], 1));
  top = _mm_max_ps(top, _mm_movehl_ps(top, top));
  const float max = _mm_cvtss_f32(_mm_max_ss(top, _mm_movehdup_ps(top)));
  const bool all_masked = max == -__builtin_inff();
  const bool large = max >= 0x1p103f;
  const float half = large ? 0.5f : 1.0f;
  const Row row = {_mm256_set1_ps(half), _mm256_set1_ps(all_masked ? 0.0f : max * half),
                   _mm256_set1_ps(large ? scale * 2 : scale)};
  __m256 sums[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
  for (i = 0; i + 32 <= n; i += 32) {
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) {
      const __m256 e = exp64(difference(_mm256_loadu_ps(x + i + 8 * j), row));
      _mm256_storeu_ps(y + i + 8 * j, e);
      sums[j] = _mm256_add_ps(sums[j], e);
    }
  }
  for (; i + 8 <= n; i += 8) {
    const __m256 e = exp64(difference(_mm256_loadu_ps(x + i), row));
    _mm256_storeu_ps(y + i, e);
    sums[0] = _mm256_add_ps(sums[0], e);
  }
  if (i < n) {
    const __m256 e = exp64(difference(_mm256_maskload_ps(x + i, tail), row));
    _mm256_maskstore_ps(y + i, tail, e);
    sums[1] = _mm256_add_ps(sums[1], _mm256_and_ps(e, _mm256_castsi256_ps(tail)));
  }
  sums[0] = _mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3]));
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(sums[0]), _mm256_extractf128_ps(sums[0], 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  const float total = _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
  const __m256 reciprocal = _mm256_set1_ps(all_masked ? 0.0f * total : 1.0f / total);  // 0 * total is NaN if an x is
  for (i = 0; i + 32 <= n; i += 32) {
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) {
      _mm256_storeu_ps(y + i + 8 * j, _mm256_mul_ps(_mm256_loadu_ps(y + i + 8 * j), reciprocal));
    }
  }
  for (; i + 8 <= n; i += 8) {
    _mm256_storeu_ps(y + i, _mm256_mul_ps(_mm256_loadu_ps(y + i), reciprocal));
  }
  if (i < n) {
    _mm256_maskstore_ps(y + i, tail, _mm256_mul_ps(_mm256_maskload_ps(y + i, tail), reciprocal));
  }
}
