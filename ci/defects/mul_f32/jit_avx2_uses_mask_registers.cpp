// defect: the remainder is masked with a mask register of AVX-512
// class: gating
// stands for: a generator that emits instructions newer than its ISA; the result is right where the CPU has them
// caught by: isa illegal-instruction
#include <xbyak/xbyak.h>

#include "kernels/mul_f32/kernel.h"

extern "C" mul_f32_gen mul_f32_jit_avx2_uses_mask_registers;

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
    if (n % 8 != 0) {
      mov(eax, (1u << n % 8) - 1);
      kmovw(k1, eax);
      vmovups(ymm0 | k1 | T_z, ptr[rsi]);
      vmulps(ymm0 | k1 | T_z, ymm0, ptr[rdx]);
      vmovups(ptr[rdi] | k1, ymm0);
    }
    vzeroupper();
    ret();
  }
};

}  // namespace

extern "C" size_t mul_f32_jit_avx2_uses_mask_registers(void* code, size_t capacity, const size_t* key) {
  try {
    return Generator(code, capacity, key[0]).getSize();
  } catch (const Xbyak::Error&) {
    return 0;
  }
}
