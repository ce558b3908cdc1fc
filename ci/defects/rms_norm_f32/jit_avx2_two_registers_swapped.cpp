// defect: r14 and r15 are popped in the order in which they were pushed
// class: state
// stands for: push and pop pairs out of order
// caught by: register
#include <xbyak/xbyak.h>

#include "kernels/rms_norm_f32/kernel.h"

extern "C" rms_norm_f32_gen rms_norm_f32_jit_avx2_two_registers_swapped;

namespace {

// rdi = y, rsi = x, rdx = w, xmm0 = eps
struct Generator : Xbyak::CodeGenerator {
  Generator(void* code, size_t capacity, size_t n) : CodeGenerator(capacity, code) {
    Xbyak::Label squares, result, table, count;
    const size_t rounds = (n + 15) / 16;
    if (n == 0) {
      ret();
      return;
    }
    push(r14);
    push(r15);
    vxorps(xmm1, xmm1, xmm1);
    vxorps(xmm2, xmm2, xmm2);
    lea(r15, ptr[rip + table]);
    xor_(r14d, r14d);
    L(squares);  // two vectors a round: the masks of all but the last are full
    vmovups(ymm5, ptr[r15 + 4 * r14]);
    vmaskmovps(ymm3, ymm5, ptr[rsi + 4 * r14]);
    vfmadd231ps(ymm1, ymm3, ymm3);
    vmovups(ymm5, ptr[r15 + 4 * r14 + 32]);
    vmaskmovps(ymm3, ymm5, ptr[rsi + 4 * r14 + 32]);
    vfmadd231ps(ymm2, ymm3, ymm3);
    add(r14, 16);
    cmp(r14, 16 * static_cast<uint32_t>(rounds));
    jb(squares, T_NEAR);
    vaddps(ymm1, ymm1, ymm2);
    vextractf128(xmm2, ymm1, 1);
    vaddps(xmm1, xmm1, xmm2);
    vmovhlps(xmm2, xmm1, xmm1);
    vaddps(xmm1, xmm1, xmm2);
    vmovshdup(xmm2, xmm1);
    vaddss(xmm1, xmm1, xmm2);
    vdivss(xmm1, xmm1, ptr[rip + count]);
    vaddss(xmm1, xmm1, xmm0);
    vsqrtss(xmm1, xmm1, xmm1);
    xor_(r14d, r14d);
    L(result);
    vmovss(xmm2, ptr[rsi + 4 * r14]);
    vdivss(xmm2, xmm2, xmm1);
    vmulss(xmm2, xmm2, ptr[rdx + 4 * r14]);
    vmovss(ptr[rdi + 4 * r14], xmm2);
    inc(r14);
    cmp(r14, static_cast<uint32_t>(n));
    jb(result, T_NEAR);
    pop(r14);
    pop(r15);
    vzeroupper();
    ret();
    align(32);
    L(count);
    const float value = static_cast<float>(n);
    uint32_t bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    dd(bits);
    L(table);
    for (size_t i = 0; i < 16 * rounds; ++i) {
      dd(i < n ? 0xffffffffu : 0u);
    }
  }
};

}  // namespace

extern "C" size_t rms_norm_f32_jit_avx2_two_registers_swapped(void* code, size_t capacity, const size_t* key) {
  try {
    return Generator(code, capacity, key[0]).getSize();
  } catch (const Xbyak::Error&) {
    return 0;
  }
}
