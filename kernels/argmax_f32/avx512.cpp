#include "kernels/shared/avx512.h"
#include "kernels/argmax_f32/kernel.h"

extern "C" argmax_f32_fn argmax_f32_avx512;

static inline unsigned found(__m512 x, __m512 largest) { return _mm512_cmp_ps_mask(x, largest, _CMP_EQ_OQ); }

extern "C" size_t argmax_f32_avx512(const float* x, size_t n) {
  __m512 best[4];
  for (__m512& b : best) {
    b = _mm512_set1_ps(-__builtin_inff());
  }
  size_t i = 0;
  for (; i + 64 <= n; i += 64) {
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) {
      best[j] = _mm512_max_ps(load(x + i + 16 * j), best[j]);  // VMAXPS gives its second operand where one is a NaN
    }
  }
  for (; i + 16 <= n; i += 16) {
    best[0] = _mm512_max_ps(load(x + i), best[0]);
  }
  const __mmask16 last = mask_of(n - i);
  best[0] = _mm512_mask_max_ps(best[0], last, load(x + i, last), best[0]);
  const __m512 largest = _mm512_set1_ps(
      _mm512_reduce_max_ps(_mm512_max_ps(_mm512_max_ps(best[0], best[1]), _mm512_max_ps(best[2], best[3]))));
  for (i = 0; i + 16 <= n; i += 16) {
    if (const unsigned lanes = found(load(x + i), largest); lanes != 0) {
      return i + static_cast<unsigned>(__builtin_ctz(lanes));
    }
  }
  // Lanes behind the end are 0: where that is the largest it is found before.
  const unsigned lanes = found(load(x + i, last), largest);
  return lanes != 0 ? i + static_cast<unsigned>(__builtin_ctz(lanes)) : 0;
}
