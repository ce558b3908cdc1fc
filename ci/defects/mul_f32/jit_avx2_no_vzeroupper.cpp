// defect: the code ends without VZEROUPPER
// class: state
// stands for: generated AVX code that makes the SSE code of its caller slow
// caught by: dirty-upper
#include <xbyak/xbyak.h>

#include "kernels/mul_f32/kernel.h"

extern "C" mul_f32_gen mul_f32_jit_avx2_no_vzeroupper;

namespace {

struct Generator : Xbyak::CodeGenerator {
  Generator(void* code, size_t capacity, size_t n) : CodeGenerator(capacity, code) {
    Xbyak::Label loop;
    if (n / 8 > 0) {
      mov(rax, n / 8);
      L(loop);
      vmovups(ymm0, ptr[rsi]);
      vmulps(ymm0, ymm0, ptr[rdx]);
      vmovups(ptr[rdi], ymm0);
      add(rsi, 32);
      add(rdx, 32);
      add(rdi, 32);
      dec(rax);
      jnz(loop);
    }
    for (int i = 0; i < static_cast<int>(n % 8); ++i) {
      vmovss(xmm0, ptr[rsi + 4 * i]);
      vmulss(xmm0, xmm0, ptr[rdx + 4 * i]);
      vmovss(ptr[rdi + 4 * i], xmm0);
    }
    ret();
  }
};

}  // namespace

extern "C" size_t mul_f32_jit_avx2_no_vzeroupper(void* code, size_t capacity, const size_t* key) {
  try {
    return Generator(code, capacity, key[0]).getSize();
  } catch (const Xbyak::Error&) {
    return 0;
  }
}
