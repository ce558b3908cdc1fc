#pragma once
#include <stddef.h>

/// Returns the sum of x[i] * y[i], i in [0, n): the dot product.
///
/// Sizes      n >= 0; n = 0 returns +0.
/// Alignment  4 bytes each.
/// Aliasing   x may equal y; both are only read.
/// NaN, Inf   as IEEE 754; the payload of a NaN is free. Subnormals are kept.
/// Error      |dot - exact| <= c(n) * u * sum |x[i]*y[i]| + n * 2^-149, u = 2^-24,
///            c(n) = ceil(n/16) + 7: at least 16 partial sums (Higham, Accuracy and Stability of Numerical
///            Algorithms, 2nd ed., section 4.2), so the error grows 16 times slower than that of one
///            running sum. Beside a sum's ceil(n/16) additions, 1 for the product, 4 that add the partial sums pair by
///            pair, and 2 for what is left behind the last round. Where c(n)-rounded partial sums can exceed FLT_MAX,
///            Inf or NaN is allowed. The sign of a zero is free.
typedef float dot_f32_fn(const float* x, const float* y, size_t n);

/// JIT generator: writes position-independent code for key = {n} to code[0..capacity); returns the
/// bytes written, 0 if capacity is too small. The code has the signature above and is valid for n only.
typedef size_t dot_f32_gen(void* code, size_t capacity, const size_t* key);
