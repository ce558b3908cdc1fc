// defect: the inline assembly counts in r12 and does not say so
// class: state
// stands for: a callee-saved register taken for free: r12
// caught by: register
#include <immintrin.h>

#include "kernels/dot_f32/kernel.h"

extern "C" dot_f32_fn dot_f32_sse_r12_clobbered;

extern "C" float dot_f32_sse_r12_clobbered(const float* x, const float* y, size_t n) {
  __m128 sums[4] = {_mm_setzero_ps(), _mm_setzero_ps(), _mm_setzero_ps(), _mm_setzero_ps()};
  size_t rounds = n / 16;
  if (rounds > 0) {
    asm("movq %[rounds], %%r12\n"
        "1:\n\t"
        "movups (%[x]), %%xmm4\n\t"
        "movups (%[y]), %%xmm5\n\t"
        "mulps %%xmm5, %%xmm4\n\t"
        "addps %%xmm4, %[s0]\n\t"
        "movups 16(%[x]), %%xmm4\n\t"
        "movups 16(%[y]), %%xmm5\n\t"
        "mulps %%xmm5, %%xmm4\n\t"
        "addps %%xmm4, %[s1]\n\t"
        "movups 32(%[x]), %%xmm4\n\t"
        "movups 32(%[y]), %%xmm5\n\t"
        "mulps %%xmm5, %%xmm4\n\t"
        "addps %%xmm4, %[s2]\n\t"
        "movups 48(%[x]), %%xmm4\n\t"
        "movups 48(%[y]), %%xmm5\n\t"
        "mulps %%xmm5, %%xmm4\n\t"
        "addps %%xmm4, %[s3]\n\t"
        "addq $64, %[x]\n\t"
        "addq $64, %[y]\n\t"
        "decq %%r12\n\t"
        "jnz 1b"
        : [x] "+r"(x), [y] "+r"(y), [s0] "+x"(sums[0]), [s1] "+x"(sums[1]), [s2] "+x"(sums[2]), [s3] "+x"(sums[3])
        : [rounds] "r"(rounds)
        : "xmm4", "xmm5", "memory", "cc");
  }
  __m128 s = _mm_add_ps(_mm_add_ps(sums[0], sums[1]), _mm_add_ps(sums[2], sums[3]));
  for (size_t i = 0; i < n % 16; ++i) {
    s = _mm_add_ss(s, _mm_mul_ss(_mm_load_ss(x + i), _mm_load_ss(y + i)));
  }
  const __m128 pairs = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(pairs, _mm_movehdup_ps(pairs)));
}
