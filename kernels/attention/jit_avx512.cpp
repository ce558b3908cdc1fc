#include "kernels/attention/jit.h"

extern "C" attention_gen attention_jit_avx512;

extern "C" size_t attention_jit_avx512(void* code, size_t capacity, const size_t* key) {
  return generate<Generator<Zmm>>(code, capacity, key[0]);
}
