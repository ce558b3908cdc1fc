// defect: the mask of the last store has one lane more than there are elements left
// class: memory
// stands for: a write past the end by one element
// caught by: memory canary
#include <immintrin.h>

#include "kernels/add_i32/kernel.h"

extern "C" add_i32_fn add_i32_avx2_writes_one_too_many;

static inline __m256i mask_of(size_t lanes) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(lanes)), lane);
}

extern "C" void add_i32_avx2_writes_one_too_many(int32_t* z, const int32_t* x, const int32_t* y, size_t n) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i));
    const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(y + i));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(z + i), _mm256_add_epi32(a, b));
  }
  if (i < n) {
    const __m256i sum =
        _mm256_add_epi32(_mm256_maskload_epi32(x + i, mask_of(n - i)), _mm256_maskload_epi32(y + i, mask_of(n - i)));
    _mm256_maskstore_epi32(z + i, mask_of(n - i + 1), sum);
  }
}
