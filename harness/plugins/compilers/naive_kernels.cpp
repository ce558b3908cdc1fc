// Kernels as one writes them first: one running sum, rows of weights as they are in the file. Compiled for each level at -O3, which keeps
// the order of the additions and so one sum, and at -Ofast, which does not.
#include <cmath>
#include <cstddef>

#include "kernels/dot_f32/kernel.h"
#include "kernels/layer_norm_f32/kernel.h"
#include "kernels/matmul_float/kernel.h"
#include "kernels/rms_norm_f32/kernel.h"

#define JOIN(name, suffix) name##_##suffix
#define NAMED(name, suffix) JOIN(name, suffix)

extern "C" {
dot_f32_fn NAMED(dot_f32, SUFFIX);
rms_norm_f32_fn NAMED(rms_norm_f32, SUFFIX);
layer_norm_f32_fn NAMED(layer_norm_f32, SUFFIX);
void NAMED(matmul_f32, SUFFIX)(const matmul_args* a);
}

float NAMED(dot_f32, SUFFIX)(const float* x, const float* y, size_t n) {
  float sum = 0;
  for (size_t i = 0; i < n; ++i) {
    sum += x[i] * y[i];
  }
  return sum;
}

void NAMED(rms_norm_f32, SUFFIX)(float* y, const float* x, const float* w, float eps, size_t n) {
  float squares = 0;
  for (size_t i = 0; i < n; ++i) {
    squares += x[i] * x[i];
  }
  const float scale = 1 / std::sqrt(squares / static_cast<float>(n) + eps);
  for (size_t i = 0; i < n; ++i) {
    y[i] = x[i] * scale * w[i];
  }
}

void NAMED(layer_norm_f32, SUFFIX)(float* y, const float* x, const float* w, const float* b, float eps, size_t n) {
  float sum = 0;
  for (size_t i = 0; i < n; ++i) {
    sum += x[i];
  }
  const float mean = sum / static_cast<float>(n);
  float squares = 0;
  for (size_t i = 0; i < n; ++i) {
    squares += (x[i] - mean) * (x[i] - mean);
  }
  const float scale = 1 / std::sqrt(squares / static_cast<float>(n) + eps);
  for (size_t i = 0; i < n; ++i) {
    y[i] = (x[i] - mean) * scale * w[i] + b[i];
  }
}

void NAMED(matmul_f32, SUFFIX)(const matmul_args* a) {
  const float* x = static_cast<const float*>(a->x);
  const float* w = static_cast<const float*>(a->packed);
  for (size_t token = 0; token < a->tokens; ++token) {
    for (size_t row = a->row_begin; row < a->row_end; ++row) {
      float sum = a->bias != nullptr ? a->bias[row] : 0;
      for (size_t c = 0; c < a->cols; ++c) {
        sum += w[row * a->cols + c] * x[token * a->cols + c];
      }
      a->y[token * a->ldy + row] = sum;
    }
  }
}
