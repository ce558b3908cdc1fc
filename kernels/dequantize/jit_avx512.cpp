#include "kernels/dequantize/jit.h"

extern "C" dequantize_gen dequantize_jit_avx512;

extern "C" size_t dequantize_jit_avx512(void* code, size_t capacity, const size_t* key) {
  return generate<DequantizeGenerator<Zmm>>(code, capacity, key[0]);
}
