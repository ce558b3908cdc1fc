// defect: the remainder is loaded by the byte-wise VPEXPANDB
// class: gating
// stands for: an instruction (VBMI2) newer than the level of the variant, right where the CPU has it
// caught by: isa illegal-instruction
#include <immintrin.h>

#include "kernels/dot_f32/kernel.h"

extern "C" dot_f32_fn dot_f32_avx512_uses_vbmi2;

__attribute__((target("avx512vbmi2,avx512bw"))) static __m512 load(const float* p, size_t count) {
  return _mm512_castsi512_ps(_mm512_maskz_expandloadu_epi8((1ull << (4 * count)) - 1, p));
}

extern "C" float dot_f32_avx512_uses_vbmi2(const float* x, const float* y, size_t n) {
  __m512 s = _mm512_setzero_ps();
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    s = _mm512_fmadd_ps(_mm512_loadu_ps(x + i), _mm512_loadu_ps(y + i), s);
  }
  if (i < n) {
    s = _mm512_fmadd_ps(load(x + i, n - i), load(y + i, n - i), s);
  }
  return _mm512_reduce_add_ps(s);
}
