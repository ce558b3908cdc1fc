#include "kernels/shared/avx512.h"
#include "kernels/residual_ffn_f32/kernel.h"

extern "C" residual_ffn_f32_fn residual_ffn_f32_avx512;

static inline __m512 combine(__m512 a, __m512 b, __m512 w) { return _mm512_fmadd_ps(b, w, _mm512_add_ps(a, b)); }

extern "C" void residual_ffn_f32_avx512(float* z, const float* a, const float* b, const float* w, size_t n) {
  elementwise<4>(z, n, combine, a, b, w);
}
