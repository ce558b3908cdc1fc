#include "kernels/shared/sse.h"
#include "kernels/argmax_f32/kernel.h"

extern "C" argmax_f32_fn argmax_f32_sse;

extern "C" size_t argmax_f32_sse(const float* x, size_t n) {
  __m128 best[4];
  for (__m128& b : best) {
    b = _mm_set1_ps(-__builtin_inff());
  }
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) {
      best[j] = _mm_max_ps(load(x + i + 4 * j), best[j]);  // MAXPS gives its second operand where one is a NaN
    }
  }
  for (; i + 4 <= n; i += 4) {
    best[0] = _mm_max_ps(load(x + i), best[0]);
  }
  for (; i < n; ++i) {
    best[0] = _mm_max_ps(_mm_set1_ps(x[i]), best[0]);
  }
  __m128 largest = _mm_max_ps(_mm_max_ps(best[0], best[1]), _mm_max_ps(best[2], best[3]));
  largest = _mm_max_ps(largest, _mm_shuffle_ps(largest, largest, 0x4e));
  largest = _mm_max_ps(largest, _mm_shuffle_ps(largest, largest, 0xb1));
  for (i = 0; i + 4 <= n && _mm_movemask_ps(_mm_cmpeq_ps(load(x + i), largest)) == 0;) {
    i += 4;
  }
  for (; i < n; ++i) {
    if (x[i] == _mm_cvtss_f32(largest)) {
      return i;
    }
  }
  return 0;
}
