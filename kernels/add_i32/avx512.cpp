#include <immintrin.h>

#include "kernels/add_i32/kernel.h"

extern "C" add_i32_fn add_i32_avx512;

extern "C" void add_i32_avx512(int32_t* z, const int32_t* x, const int32_t* y, size_t n) {
  size_t i = 0;
  for (; i + 64 <= n; i += 64) {
    _mm512_storeu_si512(z + i, _mm512_add_epi32(_mm512_loadu_si512(x + i), _mm512_loadu_si512(y + i)));
    _mm512_storeu_si512(z + i + 16, _mm512_add_epi32(_mm512_loadu_si512(x + i + 16), _mm512_loadu_si512(y + i + 16)));
    _mm512_storeu_si512(z + i + 32, _mm512_add_epi32(_mm512_loadu_si512(x + i + 32), _mm512_loadu_si512(y + i + 32)));
    _mm512_storeu_si512(z + i + 48, _mm512_add_epi32(_mm512_loadu_si512(x + i + 48), _mm512_loadu_si512(y + i + 48)));
  }
  for (; i + 16 <= n; i += 16) {
    _mm512_storeu_si512(z + i, _mm512_add_epi32(_mm512_loadu_si512(x + i), _mm512_loadu_si512(y + i)));
  }
  if (i < n) {
    const __mmask16 mask = static_cast<__mmask16>((1u << (n - i)) - 1);
    _mm512_mask_storeu_epi32(
        z + i, mask, _mm512_add_epi32(_mm512_maskz_loadu_epi32(mask, x + i), _mm512_maskz_loadu_epi32(mask, y + i)));
  }
}
