#include "kernels/shared/avx2.h"
#include "kernels/softmax_f32/kernel.h"

extern "C" softmax_f32_fn softmax_f32_avx2;

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

extern "C" void softmax_f32_avx2(float* y, const float* x, float scale, size_t n) {
  const __m256 masked = _mm256_set1_ps(-__builtin_inff());
  const __m256i tail = mask_of(n % 8);
  __m256 m[4] = {masked, masked, masked, masked};
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) {
      m[j] = _mm256_max_ps(load(x + i + 8 * j),
                           m[j]);  // passes over NaN, which the sum will meet
    }
  }
  for (; i + 8 <= n; i += 8) {
    m[0] = _mm256_max_ps(load(x + i), m[0]);
  }
  if (i < n) {
    const __m256 last = _mm256_blendv_ps(masked, load(x + i, tail), _mm256_castsi256_ps(tail));
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
      const __m256 e = exp64(difference(load(x + i + 8 * j), row));
      store(y + i + 8 * j, e);
      sums[j] = _mm256_add_ps(sums[j], e);
    }
  }
  for (; i + 8 <= n; i += 8) {
    const __m256 e = exp64(difference(load(x + i), row));
    store(y + i, e);
    sums[0] = _mm256_add_ps(sums[0], e);
  }
  if (i < n) {
    const __m256 e = exp64(difference(load(x + i, tail), row));
    store(y + i, tail, e);
    sums[1] = _mm256_add_ps(sums[1], _mm256_and_ps(e, _mm256_castsi256_ps(tail)));
  }
  const float total = add_up(sums);
  const __m256 reciprocal = _mm256_set1_ps(all_masked ? 0.0f * total : 1.0f / total);  // 0 * total is NaN if an x is
  const auto normalise = [=](__m256 e) { return _mm256_mul_ps(e, reciprocal); };
  elementwise<4>(y, n, normalise, y);
}
