#pragma once
#include <stddef.h>
#include <stdint.h>

/// Rotary position embedding: of each head of each token the first `rotated` floats are pairs, and pair i turns by the angle
/// position * frequencies[i]; the others are copied.
///   y_a = scale * (x_a cos - x_b sin), y_b = scale * (x_b cos + x_a sin)
/// where a and b are the elements 2 i and 2 i + 1, or i and i + rotated / 2 where `halves` is not 0.
struct rope_f32_args {
  float* y;        ///< tokens rows of heads * d floats; gaps between rows are not touched
  const float* x;  ///< likewise
  /// rotated / 2: radians for each position. Those of a model: base^(-2 i / rotated), divided by its factors. Whatever stretches
  /// angles (linear, llama3, yarn) is in them.
  const double* frequencies;
  const uint32_t* positions;  ///< of the tokens
  float* scratch;             ///< as many bytes as the contract says, aligned to 64; contents afterwards are free
  size_t ldy, ldx;            ///< floats between consecutive tokens
  size_t tokens, heads, d;    ///< each >= 0; d floats a head
  size_t rotated;             ///< even, <= d
  float scale;                ///< yarn's magnitude, else 1
  int halves;                 ///< which elements are a pair
};

/// Alignment  frequencies 8 bytes, the others 4.
/// Aliasing   y may be x with ldy = ldx; any other overlap is outside the contract.
/// Domain     position * |frequency| <= 2^20; scale in [2^-20, 2^20].
/// NaN, Inf   a NaN in a pair makes both of it NaN; an Inf in a pair without NaN makes each Inf or NaN. What is copied keeps its
///            bits but for a NaN's payload. Subnormals are kept. The sign of a zero is free.
/// Error      |y_a - exact| <= 3 u scale (|x_a cos| + |x_b sin|) + 2^-28 scale (|x_a| + |x_b|) + 2^-147, u = 2^-24, y_b likewise:
///            sine and cosine are rounded to floats, two products and their sum are rounded; the angle is taken in double, where
///            its product and its reduction to a quarter turn are off by 2^-32, and 2^-29 is left for the polynomials.
///            Where scale (|x_a| + |x_b|) exceeds FLT_MAX, Inf or NaN is allowed.
typedef void rope_f32_fn(const struct rope_f32_args* args);

/// JIT generator: writes position-independent code for key = {d, rotated} to code[0..capacity); returns the
/// bytes written, 0 if capacity is too small. The code has the signature above and is valid for these sizes only.
typedef size_t rope_f32_gen(void* code, size_t capacity, const size_t* key);
