#include "kernels/convert_f16/jit.h"

extern "C" convert_f16_gen convert_f16_jit_avx512;

extern "C" size_t convert_f16_jit_avx512(void* code, size_t capacity, const size_t* key) {
  return generate<Generator<Zmm>>(code, capacity, key[0]);
}
