#include "kernels/shared/avx2.h"
#include "kernels/residual_ffn_f32/kernel.h"

extern "C" residual_ffn_f32_fn residual_ffn_f32_avx2;

static inline __m256 combine(__m256 a, __m256 b, __m256 w) { return _mm256_fmadd_ps(b, w, _mm256_add_ps(a, b)); }

extern "C" void residual_ffn_f32_avx2(float* z, const float* a, const float* b, const float* w, size_t n) {
  elementwise<4>(z, n, combine, a, b, w);
}
