// defect: the weight behind the last one is loaded in advance
// class: memory
// stands for: software pipelining that runs past the end of the packed weights
// caught by: memory
#include <string.h>
#include "kernels/matmul_f32/kernel.h"

extern "C" matmul_f32_pack_fn matmul_f32_pack_avx2_packed_over_read;
extern "C" matmul_f32_fn matmul_f32_avx2_packed_over_read;

extern "C" size_t matmul_f32_pack_avx2_packed_over_read(void* packed, const float* w, size_t rows, size_t cols) {
  if (packed != nullptr && rows * cols != 0) {
    memcpy(packed, w, rows * cols * sizeof(float));
  }
  return rows * cols * sizeof(float);
}

extern "C" void matmul_f32_avx2_packed_over_read(const matmul_f32_args* a) {
  const float* w = static_cast<const float*>(a->packed);
  for (size_t t = 0; t < a->tokens; ++t) {
    const float* x = a->x + t * a->ldx;
    float* y = a->y + t * a->ldy;
    for (size_t r = a->row_begin; r < a->row_end; ++r) {
      float sum = a->bias != nullptr ? a->bias[r] : 0;
      float next = a->cols != 0 ? w[r * a->cols] : 0;
      for (size_t c = 0; c < a->cols; ++c) {
        sum += next * x[c];
        next = *static_cast<const volatile float*>(&w[r * a->cols + c + 1]);
      }
      y[r] = sum;
    }
  }
}
