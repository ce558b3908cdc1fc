#include "kernels/shared/avx2.h"
#include "kernels/convert_f16/kernel.h"

extern "C" convert_f16_fn convert_f16_avx2;

extern "C" void convert_f16_avx2(uint16_t* y, const float* x, size_t n) {
  const auto halves = [](__m256 v) { return _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT); };
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
#pragma GCC unroll 4
    for (size_t j = i; j < i + 32; j += 8) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(y + j), halves(load(x + j)));
    }
  }
  for (; i + 8 <= n; i += 8) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(y + i), halves(load(x + i)));
  }
  if (i < n) {
    uint16_t rest[8];
    _mm_storeu_si128(reinterpret_cast<__m128i*>(rest), halves(load(x + i, mask_of(n - i))));
    for (size_t j = 0; i < n; ++i, ++j) {
      y[i] = rest[j];
    }
  }
}
