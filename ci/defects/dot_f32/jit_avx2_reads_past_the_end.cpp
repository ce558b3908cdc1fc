// defect: the remainder is loaded as a whole vector and masked afterwards: the sum is right, the bytes behind the end are read
// class: memory
// stands for: preload past the end, harmless until the buffer ends at a page
// caught by: memory
#include <xbyak/xbyak.h>

#include "kernels/dot_f32/kernel.h"

extern "C" dot_f32_gen dot_f32_jit_avx2_reads_past_the_end;

namespace {

struct Generator : Xbyak::CodeGenerator {
  Generator(void* code, size_t capacity, size_t n) : CodeGenerator(capacity, code) {
    Xbyak::Label loop;
    Xbyak::Label mask;
    vxorps(xmm0, xmm0, xmm0);
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
    if (n % 8 != 0) {
      vmovups(ymm1, ptr[rdi]);
      vandps(ymm1, ymm1, ptr[rip + mask]);
      vmovups(ymm2, ptr[rsi]);
      vandps(ymm2, ymm2, ptr[rip + mask]);
      vfmadd231ps(ymm0, ymm1, ymm2);
    }
    vextractf128(xmm1, ymm0, 1);
    vaddps(xmm0, xmm0, xmm1);
    vmovhlps(xmm1, xmm0, xmm0);
    vaddps(xmm0, xmm0, xmm1);
    vmovshdup(xmm1, xmm0);
    vaddss(xmm0, xmm0, xmm1);
    vzeroupper();
    ret();
    align(32);
    L(mask);
    for (size_t i = 0; i < 8; ++i) {
      dd(i < n % 8 ? 0xffffffffu : 0u);
    }
  }
};

}  // namespace

extern "C" size_t dot_f32_jit_avx2_reads_past_the_end(void* code, size_t capacity, const size_t* key) {
  try {
    return Generator(code, capacity, key[0]).getSize();
  } catch (const Xbyak::Error&) {
    return 0;
  }
}
