#include "kernels/matmul/jit.h"

extern "C" matmul_gen matmul_jit_avx512_vnni;

extern "C" size_t matmul_jit_avx512_vnni(void* code, size_t capacity, const size_t* key) {
  return generate<MatmulGenerator<Zmm, true>>(code, capacity, key[0], key[1], key[2], key[3], key[4]);
}
