// defect: two remaining products come into the low half of a register, and all four lanes of it are summed
// class: listing
// stands for: a horizontal sum over lanes that were never data
// caught by: value determinism
#include <xbyak/xbyak.h>

#include "kernels/dot_f32/kernel.h"

extern "C" dot_f32_gen dot_f32_jit_avx2_lanes_without_data;

namespace {

struct Generator : Xbyak::CodeGenerator {
  Generator(void* code, size_t capacity, size_t n) : CodeGenerator(capacity, code) {
    Xbyak::Label loop;
    vxorps(xmm0, xmm0, xmm0);
    vxorps(xmm3, xmm3, xmm3);
    if (n / 8 > 0) {
      mov(rax, n / 8);
      L(loop);
      vmovups(ymm1, ptr[rdi]);
      vfmadd231ps(ymm0, ymm1, ptr[rsi]);
      add(rdi, 32);
      add(rsi, 32);
      dec(rax);
      jnz(loop);
    }
    int i = 0;
    for (; i + 2 <= static_cast<int>(n % 8); i += 2) {
      vmovlps(xmm1, xmm1, ptr[rdi + 4 * i]);
      vmovlps(xmm2, xmm2, ptr[rsi + 4 * i]);
      vfmadd231ps(xmm3, xmm1, xmm2);
    }
    if (n % 2 != 0) {
      vmovss(xmm1, ptr[rdi + 4 * i]);
      vmovss(xmm2, ptr[rsi + 4 * i]);
      vfmadd231ps(xmm3, xmm1, xmm2);
    }
    vextractf128(xmm1, ymm0, 1);
    vaddps(xmm0, xmm0, xmm1);
    vaddps(xmm0, xmm0, xmm3);
    vmovhlps(xmm1, xmm0, xmm0);
    vaddps(xmm0, xmm0, xmm1);
    vmovshdup(xmm1, xmm0);
    vaddss(xmm0, xmm0, xmm1);
    vzeroupper();
    ret();
  }
};

}  // namespace

extern "C" size_t dot_f32_jit_avx2_lanes_without_data(void* code, size_t capacity, const size_t* key) {
  try {
    return Generator(code, capacity, key[0]).getSize();
  } catch (const Xbyak::Error&) {
    return 0;
  }
}
