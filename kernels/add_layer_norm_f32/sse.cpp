#include "kernels/add_layer_norm_f32/kernel.h"
#include "kernels/shared/sse_layer_norm.h"

extern "C" add_layer_norm_f32_fn add_layer_norm_f32_sse;

extern "C" void add_layer_norm_f32_sse(const struct add_layer_norm_f32_args* a) {
  const auto add = [](__m128 v, __m128 r) { return _mm_add_ps(v, r); };
  const float total = accumulate_to(a->sum, a->n, add, add, a->x, a->residual);
  normalise_row(a->y, a->sum, a->w, a->b, a->eps, a->n, total);
}
