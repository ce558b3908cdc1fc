// What plug-ins have in common whose library's product knows no bias and no sizes of 0, or takes the rows of weights as they are.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstring>

#include "kernels/matmul_float/kernel.h"

namespace adapters {

inline void add_bias(const matmul_args& a) {
  for (size_t token = 0; a.bias != nullptr && token < a.tokens; ++token) {
    for (size_t r = a.row_begin; r < a.row_end; ++r) {
      a.y[token * a.ldy + r] += a.bias[r];
    }
  }
}

/// Whether the product is one of nothing, which is done then: the library is not asked for it.
inline bool is_empty(const matmul_args& a) {
  if (a.row_begin == a.row_end || a.tokens == 0) {
    return true;
  }
  if (a.cols != 0) {
    return false;
  }
  for (size_t token = 0; token < a.tokens; ++token) {
    std::fill(a.y + token * a.ldy + a.row_begin, a.y + token * a.ldy + a.row_end, 0.0F);
  }
  add_bias(a);
  return true;
}

inline size_t pack_float_rows(void* packed, const void* w, size_t rows, size_t cols) {
  const size_t bytes = rows * cols * sizeof(float);
  if (packed != nullptr && bytes != 0) {
    std::memcpy(packed, w, bytes);
  }
  return bytes;
}

/// The first row of the range, where they are floats.
inline const float* first_row(const matmul_args& a) {
  return static_cast<const float*>(a.packed) + a.row_begin * a.cols;
}

}  // namespace adapters
