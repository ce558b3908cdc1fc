#include "kernels/dequantize/jit.h"

extern "C" dequantize_gen dequantize_jit_avx2;

extern "C" size_t dequantize_jit_avx2(void* code, size_t capacity, const size_t* key) {
  return generate<DequantizeGenerator<Ymm>>(code, capacity, key[0]);
}
