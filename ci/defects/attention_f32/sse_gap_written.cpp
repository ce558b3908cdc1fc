// defect: one element behind each row of out is cleared, where the gap has room
// class: memory
// stands for: write into the gap between rows
// caught by: gap
#include <math.h>

#include "kernels/attention_f32/kernel.h"

extern "C" attention_f32_fn attention_f32_sse_gap_written;

extern "C" void attention_f32_sse_gap_written(const attention_f32_args* a) {
  float* s = a->scratch;
  for (size_t i = 0; i < a->n_q; ++i) {
    const size_t visible = a->pos + i + 1;
    const float* q = a->q + i * a->ldq;
    float max = -INFINITY;
    for (size_t j = 0; j < visible; ++j) {
      const float* k = a->k + j * a->ldk;
      double dot = 0;
      for (size_t e = 0; e < a->d; ++e) {
        dot += static_cast<double>(q[e]) * static_cast<double>(k[e]);
      }
      s[j] = static_cast<float>(dot * static_cast<double>(a->scale));
      max = s[j] > max ? s[j] : max;
    }
    if (i + 1 < a->n_q && a->ldo > a->d) {
      static_cast<volatile float*>(a->out)[i * a->ldo + a->d] = 0;
    }
    const float zero = max == -INFINITY ? 0 : max;
    double sum = 0;
    for (size_t j = 0; j < visible; ++j) {
      s[j] = expf(s[j] - zero);
      sum += static_cast<double>(s[j]);
    }
    const double scale = max == -INFINITY ? 0 * sum : 1 / sum;
    for (size_t e = 0; e < a->d; ++e) {
      double out = 0;
      for (size_t j = 0; j < visible; ++j) {
        out += static_cast<double>(s[j]) * static_cast<double>(a->v[j * a->ldv + e]);
      }
      a->out[i * a->ldo + e] = static_cast<float>(out * scale);
    }
  }
}
