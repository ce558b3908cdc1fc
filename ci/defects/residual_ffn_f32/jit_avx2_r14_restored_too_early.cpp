// defect: r14 is popped before its last use as the counter of the remainder
// class: state
// stands for: a callee-saved register (r14) that is saved, and used again after it was restored
// caught by: register
#include <xbyak/xbyak.h>

#include "kernels/residual_ffn_f32/kernel.h"

extern "C" residual_ffn_f32_gen residual_ffn_f32_jit_avx2_r14_restored_too_early;

namespace {

struct Generator : Xbyak::CodeGenerator {
  Generator(void* code, size_t capacity, size_t n) : CodeGenerator(capacity, code) {
    Xbyak::Label loop;
    Xbyak::Label rest;
    push(r14);
    if (n / 8 > 0) {
      mov(r14, n / 8);
      L(loop);
      vmovups(ymm0, ptr[rdx]);
      vaddps(ymm1, ymm0, ptr[rsi]);
      vfmadd231ps(ymm1, ymm0, ptr[rcx]);
      vmovups(ptr[rdi], ymm1);
      for (const auto& r : {rdi, rsi, rdx, rcx}) {
        add(r, 32);
      }
      dec(r14);
      jnz(loop);
    }
    pop(r14);
    if (n % 8 != 0) {
      mov(r14, n % 8);
      L(rest);
      vmovss(xmm0, ptr[rdx]);
      vaddss(xmm1, xmm0, ptr[rsi]);
      vfmadd231ss(xmm1, xmm0, ptr[rcx]);
      vmovss(ptr[rdi], xmm1);
      for (const auto& r : {rdi, rsi, rdx, rcx}) {
        add(r, 4);
      }
      dec(r14);
      jnz(rest);
    }
    vzeroupper();
    ret();
  }
};

}  // namespace

extern "C" size_t residual_ffn_f32_jit_avx2_r14_restored_too_early(void* code, size_t capacity, const size_t* key) {
  try {
    return Generator(code, capacity, key[0]).getSize();
  } catch (const Xbyak::Error&) {
    return 0;
  }
}
