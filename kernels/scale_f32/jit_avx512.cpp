#include "kernels/scale_f32/jit.h"

extern "C" scale_f32_gen scale_f32_jit_avx512;

extern "C" size_t scale_f32_jit_avx512(void* code, size_t capacity, const size_t* key) {
  return generate<Generator<Zmm>>(code, capacity, key[0]);
}
