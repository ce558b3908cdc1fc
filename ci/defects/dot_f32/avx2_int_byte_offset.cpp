// defect: the offset in bytes is an int: from 2^31 on it points before the buffers
// class: lengths
// stands for: 32-bit offsets in code that takes 64-bit lengths
// caught by: memory crash value
// budget: large
#include <immintrin.h>

#include "kernels/dot_f32/kernel.h"

extern "C" dot_f32_fn dot_f32_avx2_int_byte_offset;

static __m256 load(const float* x, size_t i) {
  const int offset = static_cast<int>(4 * i);
  return _mm256_loadu_ps(reinterpret_cast<const float*>(reinterpret_cast<const char*>(x) + offset));
}

extern "C" float dot_f32_avx2_int_byte_offset(const float* x, const float* y, size_t n) {
  __m256 a = _mm256_setzero_ps();
  __m256 b = _mm256_setzero_ps();
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    a = _mm256_fmadd_ps(load(x, i), load(y, i), a);
    b = _mm256_fmadd_ps(load(x, i + 8), load(y, i + 8), b);
  }
  float rest = 0;
  for (; i < n; ++i) {
    rest += x[i] * y[i];
  }
  a = _mm256_add_ps(a, b);
  const __m128 c = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  const __m128 d = _mm_add_ps(c, _mm_movehl_ps(c, c));
  return _mm_cvtss_f32(_mm_add_ss(d, _mm_movehdup_ps(d))) + rest;
}
