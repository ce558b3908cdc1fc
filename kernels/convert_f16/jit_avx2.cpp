#include "kernels/convert_f16/jit.h"

extern "C" convert_f16_gen convert_f16_jit_avx2;

extern "C" size_t convert_f16_jit_avx2(void* code, size_t capacity, const size_t* key) {
  return generate<Generator<Ymm>>(code, capacity, key[0]);
}
