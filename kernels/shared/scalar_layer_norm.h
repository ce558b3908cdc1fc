// What layer_norm_f32 and add_layer_norm_f32 share.
#pragma once
#include "kernels/shared/independent.h"
#include "kernels/shared/scalar.h"

// y[i] = (x[i] - m) / sqrt(v + eps) * w[i] + b[i], of a row whose 32 partial sums are known.
static inline void normalise_row(float* y, const float* x, const float* w, const float* b, float eps, size_t n,
                                 float (&sums)[32]) {
  const float count = static_cast<float>(n);
  const float mean = add_up(sums) / count;

  float squares[32] = {};
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    for (size_t j = 0; j < 32; ++j) {
      const float d = x[i + j] - mean;
      squares[j] += d * d;
    }
  }
  for (size_t j = 0; i < n; ++i, ++j) {
    const float d = x[i] - mean;
    squares[j] += d * d;
  }
  const float scale = 1.0f / __builtin_sqrtf(add_up(squares) / count + eps);

  INDEPENDENT_ITERATIONS  // y may be x itself, but no other element of it
  for (i = 0; i < n; ++i) {
    y[i] = (x[i] - mean) * scale * w[i] + b[i];
  }
}
