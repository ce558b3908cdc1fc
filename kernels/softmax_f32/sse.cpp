#include "kernels/shared/sse.h"
#include "kernels/softmax_f32/kernel.h"

extern "C" softmax_f32_fn softmax_f32_sse;

extern "C" void softmax_f32_sse(float* y, const float* x, float scale, size_t n) {
  const __m128 s = _mm_set1_ps(scale);
  const __m128 masked = _mm_set1_ps(-__builtin_inff());
  __m128 m[4] = {masked, masked, masked, masked};
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) {
      m[j] = _mm_max_ps(load(x + i + 4 * j),
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
      const __m128 e = exp64(_mm_sub_ps(_mm_mul_ps(load(x + i + 4 * j), s), max));
      store(y + i + 4 * j, e);
      sums[j] = _mm_add_ps(sums[j], e);
    }
  }
  for (; i + 4 <= n; i += 4) {
    const __m128 e = exp64(_mm_sub_ps(_mm_mul_ps(load(x + i), s), max));
    store(y + i, e);
    sums[0] = _mm_add_ps(sums[0], e);
  }
  for (; i < n; ++i) {
    const __m128 e = exp64(_mm_sub_ps(_mm_mul_ps(load_one(x + i), s), max));
    store_one(y + i, e);
    sums[1] = _mm_add_ss(sums[1], e);
  }
  const float total = add_up(sums);
  const __m128 reciprocal = _mm_set1_ps(all_masked ? 0.0f * total : 1.0f / total);  // 0 * total is NaN if an x is
  const auto normalise = [=](__m128 e) { return _mm_mul_ps(e, reciprocal); };
  elementwise<4>(y, n, normalise, y);
}
