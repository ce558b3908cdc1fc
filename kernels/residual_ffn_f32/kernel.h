#pragma once
#include <stddef.h>

/// z[i] = (a[i] + b[i]) + b[i] * w[i], i in [0, n): feed-forward with residual connection, fused.
///
/// Sizes      n >= 0; n = 0 touches nothing.
/// Alignment  4 bytes each.
/// Aliasing   z may equal a, b or w; any other overlap of z is outside the contract.
/// NaN, Inf   as IEEE 754; the payload of a NaN is free. Subnormals are kept. Of zeros the result is the zero of IEEE 754's
///            sign.
/// Error      |z - exact| <= u * (|a+b| + |b*w| + |exact|) * (1 + 4u) + 2^-149, u = 2^-24: one rounding
///            for each operation; a fused multiply-add is allowed. Where |a|+|b|+|b*w| exceeds
///            FLT_MAX an intermediate may overflow: Inf or NaN is then allowed.
typedef void residual_ffn_f32_fn(float* z, const float* a, const float* b, const float* w, size_t n);

/// JIT generator: writes position-independent code for key = {n} to code[0..capacity); returns the
/// bytes written, 0 if capacity is too small. The code has the signature above and is valid for n only.
typedef size_t residual_ffn_f32_gen(void* code, size_t capacity, const size_t* key);
