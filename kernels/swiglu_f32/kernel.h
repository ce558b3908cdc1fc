#pragma once
#include <stddef.h>

/// z[i] = silu(gate[i]) * up[i], i in [0, n): SwiGLU, as LLaMA and its heirs have it. silu is that of kernels/silu_f32/kernel.h.
///
/// Sizes      n >= 0; n = 0 touches nothing.
/// Alignment  4 bytes each.
/// Aliasing   z may equal gate or up; any other overlap is outside the contract.
/// NaN, Inf   as IEEE 754 has the product: silu(-Inf) is -0, and -0 * Inf is NaN. Where up is Inf and silu(gate) is no more than
///            2^-149, NaN is right too, as it may have become -0.
/// Error      at most 4 ULP of the exact result and 2^-149 |up|, as silu(gate) may be rounded to a float first. The sign of a zero is
///            that of the exact product.
typedef void swiglu_f32_fn(float* z, const float* gate, const float* up, size_t n);

/// JIT generator: writes position-independent code for key = {n} to code[0..capacity); returns the
/// bytes written, 0 if capacity is too small. The code has the signature above and is valid for n only.
typedef size_t swiglu_f32_gen(void* code, size_t capacity, const size_t* key);
