#include "kernels/geglu_f32/kernel.h"
#include "kernels/shared/jit_activations.h"

extern "C" geglu_f32_gen geglu_f32_jit_avx512;

extern "C" size_t geglu_f32_jit_avx512(void* code, size_t capacity, const size_t* key) {
  return generate<Activation<Zmm>>(code, capacity, key[0], kGelu, kGated);
}
