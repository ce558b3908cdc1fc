// defect: weights behind the row are zeros, but x is read whole where memory allows: 0 * NaN is NaN
// class: floats
// stands for: NaN leaking from padding through 0 * NaN
// caught by: value
#include <immintrin.h>
#include <string.h>

#include "kernels/matmul_f32/kernel.h"

extern "C" matmul_f32_pack_fn matmul_f32_pack_avx512_nan_from_padding;
extern "C" matmul_f32_fn matmul_f32_avx512_nan_from_padding;

extern "C" size_t matmul_f32_pack_avx512_nan_from_padding(void* packed, const float* w, size_t rows, size_t cols) {
  if (packed != nullptr && rows * cols != 0) {
    memcpy(packed, w, rows * cols * sizeof(float));
  }
  return rows * cols * sizeof(float);
}

extern "C" void matmul_f32_avx512_nan_from_padding(const matmul_f32_args* a) {
  const size_t cols = a->cols;
  for (size_t t = 0; t < a->tokens; ++t) {
    const float* x = a->x + t * a->ldx;
    for (size_t r = a->row_begin; r < a->row_end; ++r) {
      const float* w = static_cast<const float*>(a->packed) + r * cols;
      __m512 s = _mm512_setzero_ps();
      for (size_t c = 0; c < cols; c += 16) {
        const size_t left = cols - c;
        const __mmask16 mask = left >= 16 ? 0xffff : static_cast<__mmask16>((1u << left) - 1);
        const __mmask16 of_x = t + 1 < a->tokens && a->ldx - c >= 16 ? 0xffff : mask;
        s = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, w + c), _mm512_maskz_loadu_ps(of_x, x + c), s);
      }
      a->y[t * a->ldy + r] = _mm512_reduce_add_ps(s) + (a->bias != nullptr ? a->bias[r] : 0);
    }
  }
}
