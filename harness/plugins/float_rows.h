// What products of floats have in common whose library takes the rows of weights as they are.
#pragma once
#include <cstddef>
#include <cstring>

#include "kernels/matmul_float/kernel.h"

namespace adapters {

inline size_t pack_float_rows(void* packed, const void* w, size_t rows, size_t cols) {
  const size_t bytes = rows * cols * sizeof(float);
  if (packed != nullptr && bytes != 0) {
    std::memcpy(packed, w, bytes);
  }
  return bytes;
}

/// The first row of the range.
inline const float* first_row(const matmul_args& a) {
  return static_cast<const float*>(a.packed) + a.row_begin * a.cols;
}

/// For a library whose product has none.
inline void add_bias(const matmul_args& a) {
  for (size_t token = 0; a.bias != nullptr && token < a.tokens; ++token) {
    for (size_t r = a.row_begin; r < a.row_end; ++r) {
      a.y[token * a.ldy + r] += a.bias[r];
    }
  }
}

}  // namespace adapters
