// defect: the tail mask goes through KMOVB: lanes 8 to 15 are not handled
// class: masks
// stands for: a mask register loaded with the wrong width
// caught by: value
#include <xbyak/xbyak.h>

#include "kernels/residual_ffn_f32/kernel.h"

extern "C" residual_ffn_f32_gen residual_ffn_f32_jit_avx512_mask_of_eight_bits;

namespace {

struct Generator : Xbyak::CodeGenerator {
  Generator(void* code, size_t capacity, size_t n) : CodeGenerator(capacity, code) {
    Xbyak::Label loop;
    if (n / 16 > 0) {
      mov(rax, n / 16);
      L(loop);
      vmovups(zmm0, ptr[rdx]);
      vaddps(zmm1, zmm0, ptr[rsi]);
      vfmadd231ps(zmm1, zmm0, ptr[rcx]);
      vmovups(ptr[rdi], zmm1);
      for (const auto& r : {rdi, rsi, rdx, rcx}) {
        add(r, 64);
      }
      dec(rax);
      jnz(loop);
    }
    if (n % 16 != 0) {
      mov(eax, (1u << n % 16) - 1);
      kmovb(k1, eax);
      vmovups(zmm0 | k1 | T_z, ptr[rdx]);
      vaddps(zmm1 | k1 | T_z, zmm0, ptr[rsi]);
      vfmadd231ps(zmm1 | k1, zmm0, ptr[rcx]);
      vmovups(ptr[rdi] | k1, zmm1);
    }
    vzeroupper();
    ret();
  }
};

}  // namespace

extern "C" size_t residual_ffn_f32_jit_avx512_mask_of_eight_bits(void* code, size_t capacity, const size_t* key) {
  try {
    return Generator(code, capacity, key[0]).getSize();
  } catch (const Xbyak::Error&) {
    return 0;
  }
}
