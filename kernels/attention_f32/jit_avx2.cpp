#include "kernels/attention_f32/jit.h"

extern "C" attention_f32_gen attention_f32_jit_avx2;

extern "C" size_t attention_f32_jit_avx2(void* code, size_t capacity, const size_t* key) {
  return generate(code, capacity, key[0], 8);
}
