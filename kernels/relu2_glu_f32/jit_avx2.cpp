#include "kernels/relu2_glu_f32/jit.h"

extern "C" relu2_glu_f32_gen relu2_glu_f32_jit_avx2;

extern "C" size_t relu2_glu_f32_jit_avx2(void* code, size_t capacity, const size_t* key) {
  return generate<Generator<Ymm>>(code, capacity, key[0]);
}
