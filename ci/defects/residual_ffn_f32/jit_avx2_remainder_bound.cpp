// defect: the loop over the remainder is generated for n % 8 - 1 elements
// class: lengths
// stands for: a wrong bound of the remainder loop
// caught by: value
#include <xbyak/xbyak.h>

#include "kernels/residual_ffn_f32/kernel.h"

extern "C" residual_ffn_f32_gen residual_ffn_f32_jit_avx2_remainder_bound;

namespace {

struct Generator : Xbyak::CodeGenerator {
  Generator(void* code, size_t capacity, size_t n) : CodeGenerator(capacity, code) {
    Xbyak::Label loop;
    if (n / 8 > 0) {
      mov(rax, n / 8);
      L(loop);
      vmovups(ymm0, ptr[rdx]);
      vaddps(ymm1, ymm0, ptr[rsi]);
      vfmadd231ps(ymm1, ymm0, ptr[rcx]);
      vmovups(ptr[rdi], ymm1);
      for (const auto& r : {rdi, rsi, rdx, rcx}) {
        add(r, 32);
      }
      dec(rax);
      jnz(loop);
    }
    for (int i = 0; i < static_cast<int>(n % 8) - 1; ++i) {
      vmovss(xmm0, ptr[rdx + 4 * i]);
      vaddss(xmm1, xmm0, ptr[rsi + 4 * i]);
      vfmadd231ss(xmm1, xmm0, ptr[rcx + 4 * i]);
      vmovss(ptr[rdi + 4 * i], xmm1);
    }
    vzeroupper();
    ret();
  }
};

}  // namespace

extern "C" size_t residual_ffn_f32_jit_avx2_remainder_bound(void* code, size_t capacity, const size_t* key) {
  try {
    return Generator(code, capacity, key[0]).getSize();
  } catch (const Xbyak::Error&) {
    return 0;
  }
}
