#include "kernels/quantize_q8_k/jit.h"

extern "C" quantize_q8_k_gen quantize_q8_k_jit_avx512;

extern "C" size_t quantize_q8_k_jit_avx512(void* code, size_t capacity, const size_t* key) {
  return generate<Generator<Zmm>>(code, capacity, key[0]);
}
