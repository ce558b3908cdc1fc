#include "kernels/rope_f32/jit.h"

extern "C" rope_f32_gen rope_f32_jit_avx512;

extern "C" size_t rope_f32_jit_avx512(void* code, size_t capacity, const size_t* key) {
  return generate<Generator<Zmm>>(code, capacity, key[0], key[1]);
}
