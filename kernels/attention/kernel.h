#pragma once
#include <stddef.h>

// attention_<format> for caches of keys and values in the formats f16 and q8_0.

/// Causal self-attention of a group of query heads that share one head of keys and values:
///   s_j = scale * q . k_j, or softcap * tanh(that / softcap);   out = the mean of v_j, weighed by e^s_j, over the visible keys j.
/// Query i, i in [0, n_q), sees keys max(0, pos + i + 1 - window) .. pos + i, as far as they are in [key_begin, key_end). Row i of
/// out and q has `group` heads of d floats side by side.
struct attention_args {
  float* out;       ///< n_q rows; gaps between rows are not touched
  const float* q;   ///< n_q rows
  const void* k;    ///< pos + n_q rows of d elements of the format
  const void* v;    ///< likewise
  float* stats;     ///< NULL, or for each query and head two floats: the largest s_j, and the sum of e^(s_j - that)
  void* scratch;    ///< uninitialised; contents afterwards are free
  size_t ldo, ldq;  ///< floats from a row to the next
  size_t ldk, ldv;  ///< bytes from a row to the next
  size_t n_q;       ///< query rows, >= 0
  size_t pos;       ///< keys before the first query
  size_t d;         ///< head size, 1 .. 4096; a multiple of 32 for q8_0
  size_t group;     ///< heads, 1 .. 64
  size_t window;    ///< keys that a query sees at most; 0: all
  size_t key_begin,
      key_end;    ///< a part of the keys, for a long cache that threads share: with the stats, parts can be joined
  float scale;    ///< finite, > 0; usually 1/sqrt(d)
  float softcap;  ///< 0: none; else in [2^-10, 2^20]
};

/// Alignment  out, q and stats 4 bytes, k and v 1, scratch 64.
/// Aliasing   out and stats may not overlap anything else.
/// NaN, Inf   a NaN among a row's visible scores, or a +Inf without softcap, gives a row of NaN; its stats are a NaN sum and any largest.
///            A score of -Inf is masked: its weight is 0 but for v of Inf or NaN. A row that sees no key, or whose scores are
///            all -Inf, is 0 (NaN where v is Inf or NaN); its stats are -Inf and 0. A v of Inf under a weight that may
///            round to 0 (exact weight * e^-A < 2^-140) gives Inf or NaN. Keys that a row does not see have no influence.
///            The sign of a zero is free.
/// Domain     no scale * sum_e |q_e k_je| of finite products, nor the sum itself, exceeds FLT_MAX / 2.
/// Error      with p = exact weights, m visible keys, S_j = scale * sum_e |q_e k_je|, u = 2^-24:
///            |s_j' - s_j| <= E = max_j (ceil(d/8) + 5) u S_j + (d scale + 1) 2^-149 + 16 u max_j |s_j|   (the last with softcap only;
///            that before for products that underflow)
///            |out_e - exact_e| <= (e^A - 1) * sum_j p_j |v_je| + 2^-157 * sum_j |v_je| + 2^-148,
///            and never over (2 + u B) * max_j |v_je| + 2^-148;
///            A = 2 E + u (2 M + B), M = 2 max_j |s_j|, B = min(m, 32) + 2 ceil(m/16) + 14.
///            A score has at least 8 partial sums, added pair by pair: a term is rounded ceil(d/8) + 3 times, and the scale's
///            product; tanh is off by 7 ULP. Scores' errors, and the roundings of their differences from the largest, act as
///            factors of the weights, of at most e^A. Up to 32 weighed v are summed before they are added to the total; the sum of the
///            exponentials has at least 16 partial sums; 2 for each of two exponentials, 1 for the reciprocal, 1 for the
///            product with it, and what is of second order. An exponential is never under e^-110.
///            stats: the largest within E of the exact one; the sum within (e^A - 1) times itself.
typedef void attention_fn(const struct attention_args* args);

/// JIT generator: writes position-independent code for key = {d} to code[0..capacity); returns the
/// bytes written, 0 if capacity is too small. The code has the signature above and is valid for d only.
typedef size_t attention_gen(void* code, size_t capacity, const size_t* key);
