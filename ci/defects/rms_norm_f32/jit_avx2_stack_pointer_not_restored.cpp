// defect: it returns with RET 8, which takes one word more off the stack
// class: state
// stands for: a callee that cleans up arguments that are not on the stack
// caught by: stack
#include <xbyak/xbyak.h>

#include "kernels/rms_norm_f32/kernel.h"

extern "C" rms_norm_f32_gen rms_norm_f32_jit_avx2_stack_pointer_not_restored;

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
    // code begins
    vxorps(xmm1, xmm1, xmm1);
    vxorps(xmm2, xmm2, xmm2);
    lea(rcx, ptr[rip + table]);
    xor_(eax, eax);
    L(squares);  // two vectors a round: the masks of all but the last are full
    vmovups(ymm5, ptr[rcx + 4 * rax]);
    vmaskmovps(ymm3, ymm5, ptr[rsi + 4 * rax]);
    vfmadd231ps(ymm1, ymm3, ymm3);
    vmovups(ymm5, ptr[rcx + 4 * rax + 32]);
    vmaskmovps(ymm3, ymm5, ptr[rsi + 4 * rax + 32]);
    vfmadd231ps(ymm2, ymm3, ymm3);
    add(rax, 16);
    cmp(rax, 16 * static_cast<uint32_t>(rounds));
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
    xor_(eax, eax);
    L(result);
    vmovss(xmm2, ptr[rsi + 4 * rax]);
    vdivss(xmm2, xmm2, xmm1);
    vmulss(xmm2, xmm2, ptr[rdx + 4 * rax]);
    vmovss(ptr[rdi + 4 * rax], xmm2);
    inc(rax);
    cmp(rax, static_cast<uint32_t>(n));
    jb(result, T_NEAR);
    vzeroupper();
    ret(8);
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

extern "C" size_t rms_norm_f32_jit_avx2_stack_pointer_not_restored(void* code, size_t capacity, const size_t* key) {
  try {
    return Generator(code, capacity, key[0]).getSize();
  } catch (const Xbyak::Error&) {
    return 0;
  }
}
