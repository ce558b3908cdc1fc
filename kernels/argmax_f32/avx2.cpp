#include "kernels/shared/avx2.h"
#include "kernels/argmax_f32/kernel.h"

extern "C" argmax_f32_fn argmax_f32_avx2;

// Lanes behind the end are -Inf.
static inline __m256 load_last(const float* x, size_t n) {
  const __m256i mask = mask_of(n);
  return _mm256_blendv_ps(_mm256_set1_ps(-__builtin_inff()), load(x, mask), _mm256_castsi256_ps(mask));
}

static inline unsigned found(__m256 x, __m256 largest) {
  return static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(x, largest, _CMP_EQ_OQ)));
}

extern "C" size_t argmax_f32_avx2(const float* x, size_t n) {
  __m256 best[4];
  for (__m256& b : best) {
    b = _mm256_set1_ps(-__builtin_inff());
  }
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) {
      best[j] = _mm256_max_ps(load(x + i + 8 * j), best[j]);  // VMAXPS gives its second operand where one is a NaN
    }
  }
  for (; i + 8 <= n; i += 8) {
    best[0] = _mm256_max_ps(load(x + i), best[0]);
  }
  best[0] = _mm256_max_ps(load_last(x + i, n - i), best[0]);
  __m256 largest = _mm256_max_ps(_mm256_max_ps(best[0], best[1]), _mm256_max_ps(best[2], best[3]));
  largest = _mm256_max_ps(largest, _mm256_permute2f128_ps(largest, largest, 1));
  largest = _mm256_max_ps(largest, _mm256_permute_ps(largest, 0x4e));
  largest = _mm256_max_ps(largest, _mm256_permute_ps(largest, 0xb1));
  for (i = 0; i + 8 <= n; i += 8) {
    if (const unsigned lanes = found(load(x + i), largest); lanes != 0) {
      return i + static_cast<unsigned>(__builtin_ctz(lanes));
    }
  }
  const unsigned lanes = found(load_last(x + i, n - i), largest) & ((1u << (n - i)) - 1);
  return lanes != 0 ? i + static_cast<unsigned>(__builtin_ctz(lanes)) : 0;
}
