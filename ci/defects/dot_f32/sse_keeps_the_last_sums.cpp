// defect: the static sums are cleared only where there is a whole vector to add
// class: races
// stands for: a result that depends on the previous call
// caught by: value determinism
#include <immintrin.h>

#include "kernels/dot_f32/kernel.h"

extern "C" dot_f32_fn dot_f32_sse_keeps_the_last_sums;

extern "C" float dot_f32_sse_keeps_the_last_sums(const float* x, const float* y, size_t n) {
  // Of each thread: only the past is wrong here.
  static thread_local float last[4];
  float* const kept = last;
  size_t i = 0;
  if (n >= 16) {
    __m128 s[4] = {_mm_setzero_ps(), _mm_setzero_ps(), _mm_setzero_ps(), _mm_setzero_ps()};
    for (; i + 16 <= n; i += 16) {
      for (size_t j = 0; j < 4; ++j) {
        s[j] = _mm_add_ps(s[j], _mm_mul_ps(_mm_loadu_ps(x + i + 4 * j), _mm_loadu_ps(y + i + 4 * j)));
      }
    }
    _mm_storeu_ps(kept, _mm_add_ps(_mm_add_ps(s[0], s[1]), _mm_add_ps(s[2], s[3])));
  }
  __m128 s = _mm_loadu_ps(kept);
  for (; i < n; ++i) {
    s = _mm_add_ss(s, _mm_mul_ss(_mm_load_ss(x + i), _mm_load_ss(y + i)));
  }
  const __m128 pairs = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(pairs, _mm_movehdup_ps(pairs)));
}
