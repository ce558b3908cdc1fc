#include <immintrin.h>

#include "kernels/add_i32/kernel.h"

extern "C" add_i32_fn add_i32_avx2;

// The n % 8 mask is a window into this table.
static const int kMask[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};

extern "C" void add_i32_avx2(int32_t* z, const int32_t* x, const int32_t* y, size_t n) {
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(z + i),
                        _mm256_add_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i)),
                                         _mm256_loadu_si256(reinterpret_cast<const __m256i*>(y + i))));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(z + i + 8),
                        _mm256_add_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i + 8)),
                                         _mm256_loadu_si256(reinterpret_cast<const __m256i*>(y + i + 8))));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(z + i + 16),
                        _mm256_add_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i + 16)),
                                         _mm256_loadu_si256(reinterpret_cast<const __m256i*>(y + i + 16))));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(z + i + 24),
                        _mm256_add_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i + 24)),
                                         _mm256_loadu_si256(reinterpret_cast<const __m256i*>(y + i + 24))));
  }
  for (; i + 8 <= n; i += 8) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(z + i),
                        _mm256_add_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i)),
                                         _mm256_loadu_si256(reinterpret_cast<const __m256i*>(y + i))));
  }
  if (i < n) {
    const __m256i mask = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kMask + 8 - (n - i)));
    _mm256_maskstore_epi32(z + i, mask,
                           _mm256_add_epi32(_mm256_maskload_epi32(x + i, mask), _mm256_maskload_epi32(y + i, mask)));
  }
}
