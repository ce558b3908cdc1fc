// The weights of the parts, for any ISA but x87 and generated code.
#pragma once
#include "kernels/join_attention_f32/kernel.h"

namespace {

constexpr size_t kMostParts = 64;

/// Writes n_parts weights, whose sum is 1, or all 0; exp: exp64 of a float.
template <class Exp>
inline void weigh_parts(const join_attention_f32_args* a, float* weights, Exp exp) {
  constexpr float kNegInf = -__builtin_inff();
  float largest = kNegInf;
  for (size_t p = 0; p < a->n_parts; ++p) {
    const float here = a->stats[p * a->lds];
    largest = here > largest ? here : largest;
  }
  const float zero = largest == kNegInf ? 0.0f : largest;
  float sum = 0;
  for (size_t p = 0; p < a->n_parts; ++p) {
    const float* stats = a->stats + p * a->lds;
    weights[p] = exp(stats[0] - zero) * stats[1];
    sum += weights[p];
  }
  const float factor = sum == 0 ? 0 : 1 / sum;
  for (size_t p = 0; p < a->n_parts; ++p) {
    weights[p] *= factor;
  }
}

}  // namespace
