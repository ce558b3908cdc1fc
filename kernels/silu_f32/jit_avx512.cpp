#include "kernels/shared/jit_activations.h"
#include "kernels/silu_f32/kernel.h"

extern "C" silu_f32_gen silu_f32_jit_avx512;

extern "C" size_t silu_f32_jit_avx512(void* code, size_t capacity, const size_t* key) {
  return generate<Activation<Zmm>>(code, capacity, key[0], kSilu, kUnary);
}
