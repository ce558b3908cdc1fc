#include "kernels/gelu_erf_f32/kernel.h"
#include "kernels/shared/jit_activations.h"

extern "C" gelu_erf_f32_gen gelu_erf_f32_jit_avx512;

extern "C" size_t gelu_erf_f32_jit_avx512(void* code, size_t capacity, const size_t* key) {
  return generate<Activation<Zmm>>(code, capacity, key[0], kGeluErf, kUnary);
}
