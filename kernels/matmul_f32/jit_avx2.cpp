#include "kernels/matmul_f32/jit.h"

extern "C" matmul_f32_gen matmul_f32_jit_avx2;
extern "C" matmul_f32_pack_fn matmul_f32_pack_jit_avx2;

extern "C" size_t matmul_f32_jit_avx2(void* code, size_t capacity, const size_t* key) {
  return generate<Generator<Ymm>>(code, capacity, key[0], key[1], key[2]);
}

extern "C" size_t matmul_f32_pack_jit_avx2(void* packed, const float* w, size_t rows, size_t cols) {
  return pack<Ymm>(packed, w, rows, cols);
}
