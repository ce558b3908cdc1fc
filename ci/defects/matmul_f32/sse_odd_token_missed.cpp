// defect: tokens go by pairs: of an odd number the last is missed
// class: lengths
// stands for: odd number of rows
// caught by: value
#include <string.h>
#include "kernels/matmul_f32/kernel.h"

extern "C" matmul_f32_pack_fn matmul_f32_pack_sse_odd_token_missed;
extern "C" matmul_f32_fn matmul_f32_sse_odd_token_missed;

extern "C" size_t matmul_f32_pack_sse_odd_token_missed(void* packed, const float* w, size_t rows, size_t cols) {
  if (packed != nullptr && rows * cols != 0) {
    memcpy(packed, w, rows * cols * sizeof(float));
  }
  return rows * cols * sizeof(float);
}

extern "C" void matmul_f32_sse_odd_token_missed(const matmul_f32_args* a) {
  const float* w = static_cast<const float*>(a->packed);
  for (size_t t = 0; t < a->tokens / 2 * 2; ++t) {
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
