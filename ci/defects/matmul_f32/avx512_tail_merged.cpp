// defect: the weights of the tail are merged into those of the vector before, x is not masked either
// class: masks
// stands for: merge masking where zero masking is meant
// caught by: value
#include <immintrin.h>
#include <string.h>

#include "kernels/matmul_f32/kernel.h"

extern "C" matmul_f32_pack_fn matmul_f32_pack_avx512_tail_merged;
extern "C" matmul_f32_fn matmul_f32_avx512_tail_merged;

extern "C" size_t matmul_f32_pack_avx512_tail_merged(void* packed, const float* w, size_t rows, size_t cols) {
  if (packed != nullptr && rows * cols != 0) {
    memcpy(packed, w, rows * cols * sizeof(float));
  }
  return rows * cols * sizeof(float);
}

extern "C" void matmul_f32_avx512_tail_merged(const matmul_f32_args* a) {
  const size_t cols = a->cols;
  for (size_t t = 0; t < a->tokens; ++t) {
    const float* x = a->x + t * a->ldx;
    for (size_t r = a->row_begin; r < a->row_end; ++r) {
      const float* w = static_cast<const float*>(a->packed) + r * cols;
      __m512 s = _mm512_setzero_ps();
      __m512 v = s;
      __m512 u = s;
      for (size_t c = 0; c < cols; c += 16) {
        const size_t left = cols - c;
        const __mmask16 mask = left >= 16 ? 0xffff : static_cast<__mmask16>((1u << left) - 1);
        v = _mm512_mask_loadu_ps(v, mask, w + c);
        u = _mm512_mask_loadu_ps(u, mask, x + c);
        s = _mm512_fmadd_ps(v, u, s);
      }
      a->y[t * a->ldy + r] = _mm512_reduce_add_ps(s) + (a->bias != nullptr ? a->bias[r] : 0);
    }
  }
}
