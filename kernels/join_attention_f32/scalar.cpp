#include "kernels/shared/scalar.h"
#include "kernels/join_attention_f32/kernel.h"

extern "C" join_attention_f32_fn join_attention_f32_scalar;

extern "C" void join_attention_f32_scalar(const join_attention_f32_args* a) {
  constexpr float kNegInf = -__builtin_inff();
  constexpr size_t kMostParts = 64;
  float largest = kNegInf;
  for (size_t p = 0; p < a->n_parts; ++p) {
    const float here = a->stats[p * a->lds];
    largest = here > largest ? here : largest;
  }
  const float zero = largest == kNegInf ? 0.0f : largest;
  float weights[kMostParts];
  float sum = 0;
  for (size_t p = 0; p < a->n_parts; ++p) {
    const float* stats = a->stats + p * a->lds;
    weights[p] = exp64(stats[0] - zero) * stats[1];
    sum += weights[p];
  }
  const float factor = sum == 0 ? 0 : 1 / sum;
  for (size_t p = 0; p < a->n_parts; ++p) {
    weights[p] *= factor;
  }
  constexpr size_t kWide = 32;
  size_t e = 0;
  for (; e + kWide <= a->n; e += kWide) {
    float sums[kWide] = {};
    for (size_t p = 0; p < a->n_parts; ++p) {
      for (size_t t = 0; t < kWide; ++t) {
        sums[t] += weights[p] * a->parts[p * a->ldp + e + t];
      }
    }
    for (size_t t = 0; t < kWide; ++t) {
      a->out[e + t] = sums[t];
    }
  }
  for (; e < a->n; ++e) {
    float total = 0;
    for (size_t p = 0; p < a->n_parts; ++p) {
      total += weights[p] * a->parts[p * a->ldp + e];
    }
    a->out[e] = total;
  }
}
