#include "kernels/shared/scalar.h"
#include "kernels/join_attention_f32/weights.h"

extern "C" join_attention_f32_fn join_attention_f32_scalar;

extern "C" void join_attention_f32_scalar(const join_attention_f32_args* a) {
  float weights[kMostParts];
  weigh_parts(a, weights, exp64);
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
