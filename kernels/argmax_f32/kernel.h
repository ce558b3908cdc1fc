#pragma once
#include <stddef.h>

/// The index of the largest of x[0..n), the first of equals (-0 equals +0): the greedy choice among logits.
///
/// Sizes      n >= 0; n = 0 touches nothing and gives 0.
/// Alignment  4 bytes.
/// NaN, Inf   a NaN is never the largest; 0 where all are NaN. Subnormals count as what they are.
/// Error      none.
typedef size_t argmax_f32_fn(const float* x, size_t n);

/// JIT generator: writes position-independent code for key = {n} to code[0..capacity); returns the
/// bytes written, 0 if capacity is too small. The code has the signature above and is valid for n only.
typedef size_t argmax_f32_gen(void* code, size_t capacity, const size_t* key);
