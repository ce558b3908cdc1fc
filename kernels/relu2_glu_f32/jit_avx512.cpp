#include "kernels/relu2_glu_f32/jit.h"

extern "C" relu2_glu_f32_gen relu2_glu_f32_jit_avx512;

extern "C" size_t relu2_glu_f32_jit_avx512(void* code, size_t capacity, const size_t* key) {
  return generate<Generator<Zmm>>(code, capacity, key[0]);
}
