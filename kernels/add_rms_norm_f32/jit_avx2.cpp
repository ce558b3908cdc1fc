#include "kernels/add_rms_norm_f32/kernel.h"
#include "kernels/shared/jit_rms_norm.h"

extern "C" add_rms_norm_f32_gen add_rms_norm_f32_jit_avx2;

extern "C" size_t add_rms_norm_f32_jit_avx2(void* code, size_t capacity, const size_t* key) {
  return generate<Generator<Ymm, true>>(code, capacity, key[0]);
}
