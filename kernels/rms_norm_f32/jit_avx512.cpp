#include "kernels/rms_norm_f32/kernel.h"
#include "kernels/shared/jit_rms_norm.h"

extern "C" rms_norm_f32_gen rms_norm_f32_jit_avx512;

extern "C" size_t rms_norm_f32_jit_avx512(void* code, size_t capacity, const size_t* key) {
  return generate<Generator<Zmm, false>>(code, capacity, key[0]);
}
