#include "kernels/add_i32/jit.h"

extern "C" add_i32_gen add_i32_jit_avx512;

extern "C" size_t add_i32_jit_avx512(void* code, size_t capacity, const size_t* key) {
  return generate<Generator<Zmm>>(code, capacity, key[0]);
}
