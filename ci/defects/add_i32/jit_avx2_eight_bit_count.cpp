// defect: the generated loop counts in AL: 256 vectors or more are counted modulo 256
// class: lengths
// stands for: a trip count put into a field or register too narrow for it
// caught by: value
#include <xbyak/xbyak.h>

#include "kernels/add_i32/kernel.h"

extern "C" add_i32_gen add_i32_jit_avx2_eight_bit_count;

namespace {

struct Generator : Xbyak::CodeGenerator {
  Generator(void* code, size_t capacity, size_t n) : CodeGenerator(capacity, code) {
    Xbyak::Label loop;
    if (n / 8 > 0) {
      mov(al, static_cast<int>(n / 8 & 0xff));
      L(loop);
      vmovdqu(ymm0, ptr[rsi]);
      vpaddd(ymm0, ymm0, ptr[rdx]);
      vmovdqu(ptr[rdi], ymm0);
      add(rsi, 32);
      add(rdx, 32);
      add(rdi, 32);
      dec(al);
      jnz(loop);
    }
    for (int i = 0; i < static_cast<int>(n % 8); ++i) {
      mov(ecx, ptr[rsi + 4 * i]);
      add(ecx, ptr[rdx + 4 * i]);
      mov(ptr[rdi + 4 * i], ecx);
    }
    vzeroupper();
    ret();
  }
};

}  // namespace

extern "C" size_t add_i32_jit_avx2_eight_bit_count(void* code, size_t capacity, const size_t* key) {
  try {
    return Generator(code, capacity, key[0]).getSize();
  } catch (const Xbyak::Error&) {
    return 0;
  }
}
