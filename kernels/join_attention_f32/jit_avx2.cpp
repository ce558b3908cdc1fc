#include "kernels/join_attention_f32/jit.h"

extern "C" join_attention_f32_gen join_attention_f32_jit_avx2;

extern "C" size_t join_attention_f32_jit_avx2(void* code, size_t capacity, const size_t* key) {
  return generate<Generator<Ymm>>(code, capacity, key[0]);
}
