#include "kernels/layer_norm_f32/kernel.h"
#include "kernels/shared/jit_layer_norm.h"

extern "C" layer_norm_f32_gen layer_norm_f32_jit_avx512;

extern "C" size_t layer_norm_f32_jit_avx512(void* code, size_t capacity, const size_t* key) {
  return generate<Generator<Zmm>>(code, capacity, key[0]);
}
