#include <immintrin.h>

#include "kernels/add_i32/kernel.h"

extern "C" add_i32_fn add_i32_sse;

extern "C" void add_i32_sse(int32_t* z, const int32_t* x, const int32_t* y, size_t n) {
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(z + i),
                     _mm_add_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i)),
                                   _mm_loadu_si128(reinterpret_cast<const __m128i*>(y + i))));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(z + i + 4),
                     _mm_add_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i + 4)),
                                   _mm_loadu_si128(reinterpret_cast<const __m128i*>(y + i + 4))));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(z + i + 8),
                     _mm_add_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i + 8)),
                                   _mm_loadu_si128(reinterpret_cast<const __m128i*>(y + i + 8))));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(z + i + 12),
                     _mm_add_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i + 12)),
                                   _mm_loadu_si128(reinterpret_cast<const __m128i*>(y + i + 12))));
  }
  for (; i + 4 <= n; i += 4) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(z + i),
                     _mm_add_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i)),
                                   _mm_loadu_si128(reinterpret_cast<const __m128i*>(y + i))));
  }
  for (; i < n; ++i) {
    z[i] = static_cast<int32_t>(static_cast<uint32_t>(x[i]) + static_cast<uint32_t>(y[i]));
  }
}
