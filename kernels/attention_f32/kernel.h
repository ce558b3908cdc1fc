#pragma once
#include <stddef.h>

/// One head of causal self-attention over a KV cache:
/// out[i] = softmax(scale * q[i] . k[0..pos+i]) applied to v[0..pos+i], i in [0, n_q).
/// All rows have d floats; consecutive rows of out, q, k, v are ldo, ldq, ldk, ldv floats apart.
struct attention_f32_args {
  float* out;      ///< n_q rows; gaps between rows are not touched
  const float* q;  ///< n_q rows
  const float* k;  ///< pos + n_q rows
  const float* v;  ///< pos + n_q rows
  float* scratch;  ///< uninitialised; contents afterwards are free
  size_t ldo, ldq, ldk, ldv;
  size_t n_q;   ///< query rows, >= 0
  size_t pos;   ///< keys before the first query: query i sees keys 0 .. pos + i
  size_t d;     ///< head size, >= 1
  float scale;  ///< finite, > 0; usually 1/sqrt(d)
};

/// Alignment  4 bytes each.
/// Scratch    pos + n_q floats for one query: its scores. For more, 32 * (pos + n_q + d) + 16: the scores of 32
///            queries, those queries in another order, and room to align.
/// Aliasing   out may not overlap anything else.
/// NaN, Inf   as softmax_f32 and dot_f32 compose: a NaN or +Inf score gives a row of NaN; a score of -Inf is
///            masked, except that 0 * Inf and 0 * NaN in v is NaN (the sum runs over every visible key).
///            A row whose scores are all -Inf has weights 0 (so 0 where v is finite).
/// Domain     no scale * sum_e |q_e k_je| of finite products, nor the sum itself, exceeds FLT_MAX / 2 (or the score may
///            overflow and its row be anything). Where |v_je| exceeds FLT_MAX / 2 an intermediate of the weighted sum
///            may overflow: Inf or NaN is then allowed. A v of Inf under a weight that may round to 0 (exact
///            weight * e^-A < 2^-140) gives Inf or NaN.
///            The sign of a zero is free.
/// Error      with p = exact weights, S_j = scale * sum_e |q_e k_je|, c = min(d, 16) + ceil(d/16) + 2:
///            score error  E_j <= c u S_j;  E = max_j E_j over visible j;
///            |out_e - exact_e| <= (e^A - 1) * sum_j p_j |v_je| + 2^-147 * sum_j |v_je| + m * 2^-148,
///            and never over (2 + u B) * max_j |v_je| + m * 2^-148;
///            A = 2 E + u (2 M + B), B = 2 min(m, 16) + ceil(m/8) + 8,
///            u = 2^-24, m = pos + i + 1, M = 2 max_j |scale q.k_j|: score errors, and the roundings of their differences
///            from the largest (M each in an exponential and, weighted, in their sum), act as factors of the weights, of
///            at most e^A; then m products are summed. A weight is a
///            float, 2^-147 off at worst where it is subnormal, whatever the v that it weighs. Weights are over 0
///            and sum to nearly 1, so out is a mean of v even where the scores are lost in their own error.
///            In a sum of n products, 16 at a time, a term is rounded min(n, 16) + ceil(n/16) - 1 times, its product
///            included: c is that of a score with 1 for the scale and 2 for what is of second order; B that of the weights
///            and of the weighted v (keys before the first query and behind it are added apart), with 2 for each of
///            two exponentials, 1 for the reciprocal, 1 for the product with it and 2 for what is of second order.
typedef void attention_f32_fn(const struct attention_f32_args* args);

/// JIT generator: writes position-independent code for key = {d} to code[0..capacity); returns the
/// bytes written, 0 if capacity is too small. The code has the signature above and is valid for d only.
typedef size_t attention_f32_gen(void* code, size_t capacity, const size_t* key);
