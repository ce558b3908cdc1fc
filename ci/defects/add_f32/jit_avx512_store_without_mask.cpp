// defect: the remainder is loaded with a mask and stored without
// class: masks
// stands for: a missing tail mask
// caught by: memory canary
#include <xbyak/xbyak.h>

#include "kernels/add_f32/kernel.h"

extern "C" add_f32_gen add_f32_jit_avx512_store_without_mask;

namespace {

struct Generator : Xbyak::CodeGenerator {
  Generator(void* code, size_t capacity, size_t n) : CodeGenerator(capacity, code) {
    Xbyak::Label loop;
    if (n / 16 > 0) {
      mov(rax, n / 16);
      L(loop);
      vmovups(zmm0, ptr[rsi]);
      vaddps(zmm0, zmm0, ptr[rdx]);
      vmovups(ptr[rdi], zmm0);
      add(rsi, 64);
      add(rdx, 64);
      add(rdi, 64);
      dec(rax);
      jnz(loop);
    }
    if (n % 16 != 0) {
      mov(eax, (1u << n % 16) - 1);
      kmovw(k1, eax);
      vmovups(zmm0 | k1 | T_z, ptr[rsi]);
      vaddps(zmm0 | k1 | T_z, zmm0, ptr[rdx]);
      vmovups(ptr[rdi], zmm0);
    }
    vzeroupper();
    ret();
  }
};

}  // namespace

extern "C" size_t add_f32_jit_avx512_store_without_mask(void* code, size_t capacity, const size_t* key) {
  try {
    return Generator(code, capacity, key[0]).getSize();
  } catch (const Xbyak::Error&) {
    return 0;
  }
}
