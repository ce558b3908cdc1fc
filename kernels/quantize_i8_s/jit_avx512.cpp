#include "kernels/quantize_i8_s/jit.h"

extern "C" quantize_i8_s_gen quantize_i8_s_jit_avx512;

extern "C" size_t quantize_i8_s_jit_avx512(void* code, size_t capacity, const size_t* key) {
  return generate<Generator<Zmm>>(code, capacity, key[0]);
}
