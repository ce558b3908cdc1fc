#include "kernels/add_layer_norm_f32/kernel.h"
#include "kernels/shared/jit_layer_norm.h"

extern "C" add_layer_norm_f32_gen add_layer_norm_f32_jit_avx2;

extern "C" size_t add_layer_norm_f32_jit_avx2(void* code, size_t capacity, const size_t* key) {
  return generate<Generator<Ymm, add_layer_norm_f32_args>>(code, capacity, key[0]);
}
