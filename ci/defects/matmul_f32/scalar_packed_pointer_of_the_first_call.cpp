// defect: the packed weights are those of the last call of another shape
// class: races
// stands for: a cached pointer: the result depends on the previous call
// caught by: value memory determinism interrupt threads
#include <string.h>
#include "kernels/matmul_f32/kernel.h"

extern "C" matmul_f32_pack_fn matmul_f32_pack_scalar_packed_pointer_of_the_first_call;
extern "C" matmul_f32_fn matmul_f32_scalar_packed_pointer_of_the_first_call;

extern "C" size_t matmul_f32_pack_scalar_packed_pointer_of_the_first_call(void* packed, const float* w, size_t rows,
                                                                          size_t cols) {
  if (packed != nullptr && rows * cols != 0) {
    memcpy(packed, w, rows * cols * sizeof(float));
  }
  return rows * cols * sizeof(float);
}

extern "C" void matmul_f32_scalar_packed_pointer_of_the_first_call(const matmul_f32_args* a) {
  static const float* w;
  static size_t rows, cols;
  if (w == nullptr || rows != a->rows || cols != a->cols) {
    w = static_cast<const float*>(a->packed);
    rows = a->rows;
    cols = a->cols;
  }
  for (size_t t = 0; t < a->tokens; ++t) {
    const float* x = a->x + t * a->ldx;
    float* y = a->y + t * a->ldy;
    for (size_t r = a->row_begin; r < a->row_end; ++r) {
      float sum = a->bias != nullptr ? a->bias[r] : 0;
      for (size_t c = 0; c < a->cols; ++c) {
        sum += w[r * a->cols + c] * x[c];
      }
      y[r] = sum;
    }
  }
}
