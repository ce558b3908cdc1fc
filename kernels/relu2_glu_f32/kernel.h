#pragma once
#include <stddef.h>

/// z[i] = max(gate[i], 0)^2 * up[i], i in [0, n): the gate of BitNet b1.58's feed-forward layers.
///
/// Sizes      n >= 0; n = 0 touches nothing.
/// Alignment  4 bytes each.
/// Aliasing   z may equal gate or up; any other overlap is outside the contract.
/// NaN, Inf   as IEEE 754 has the two products; a NaN in gate is one in z, its payload free. max(-0, 0) may be either zero: its
///            square is +0. Subnormals are kept: nothing is flushed.
/// Error      none but that of the two products, each correctly rounded, the square first.
typedef void relu2_glu_f32_fn(float* z, const float* gate, const float* up, size_t n);

/// JIT generator: writes position-independent code for key = {n} to code[0..capacity); returns the
/// bytes written, 0 if capacity is too small. The code has the signature above and is valid for n only.
typedef size_t relu2_glu_f32_gen(void* code, size_t capacity, const size_t* key);
