// defect: r15 is the loop counter and is not saved
// class: state
// stands for: a callee-saved register taken for free by generated code: r15
// caught by: register
#include <xbyak/xbyak.h>

#include "kernels/mul_f32/kernel.h"

extern "C" mul_f32_gen mul_f32_jit_avx512_r15_clobbered;

namespace {

struct Generator : Xbyak::CodeGenerator {
  Generator(void* code, size_t capacity, size_t n) : CodeGenerator(capacity, code) {
    Xbyak::Label loop;
    if (n / 16 > 0) {
      mov(r15, n / 16);
      L(loop);
      vmovups(zmm0, ptr[rsi]);
      vmulps(zmm0, zmm0, ptr[rdx]);
      vmovups(ptr[rdi], zmm0);
      add(rsi, 64);
      add(rdx, 64);
      add(rdi, 64);
      dec(r15);
      jnz(loop);
    }
    for (int i = 0; i < static_cast<int>(n % 16); ++i) {
      vmovss(xmm0, ptr[rsi + 4 * i]);
      vmulss(xmm0, xmm0, ptr[rdx + 4 * i]);
      vmovss(ptr[rdi + 4 * i], xmm0);
    }
    vzeroupper();
    ret();
  }
};

}  // namespace

extern "C" size_t mul_f32_jit_avx512_r15_clobbered(void* code, size_t capacity, const size_t* key) {
  try {
    return Generator(code, capacity, key[0]).getSize();
  } catch (const Xbyak::Error&) {
    return 0;
  }
}
