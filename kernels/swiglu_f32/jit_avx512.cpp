#include "kernels/shared/jit_activations.h"
#include "kernels/swiglu_f32/kernel.h"

extern "C" swiglu_f32_gen swiglu_f32_jit_avx512;

extern "C" size_t swiglu_f32_jit_avx512(void* code, size_t capacity, const size_t* key) {
  return generate<Activation<Zmm>>(code, capacity, key[0], kSilu, kGated);
}
