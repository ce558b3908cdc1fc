#include "kernels/shared/avx512.h"
#include "kernels/convert_f16/kernel.h"

extern "C" convert_f16_fn convert_f16_avx512;

extern "C" void convert_f16_avx512(uint16_t* y, const float* x, size_t n) {
  const auto halves = [](__m512 v) { return _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT); };
  size_t i = 0;
  for (; i + 64 <= n; i += 64) {
#pragma GCC unroll 4
    for (size_t j = i; j < i + 64; j += 16) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(y + j), halves(load(x + j)));
    }
  }
  for (; i + 16 <= n; i += 16) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(y + i), halves(load(x + i)));
  }
  if (i < n) {
    const __mmask16 mask = mask_of(n - i);
    _mm256_mask_storeu_epi16(y + i, mask, halves(load(x + i, mask)));
  }
}
