#pragma once
#include <cstddef>

namespace reference {

/// The index of the largest number of x[0..n), the first of equals; a NaN is none. 0 if there is none.
size_t argmax_f32(const float* x, size_t n);

}  // namespace reference
