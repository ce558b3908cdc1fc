// defect: the generator makes the memory it is given executable while it is writable
// class: memory
// stands for: a code generator that asks for RWX: any stray write can then become code
// caught by: wx
#include <xbyak/xbyak.h>

#include "kernels/mul_f32/kernel.h"

extern "C" mul_f32_gen mul_f32_jit_avx2_made_writable_and_executable;

namespace {

struct Generator : Xbyak::CodeGenerator {
  Generator(void* code, size_t capacity, size_t n) : CodeGenerator(capacity, code) {
    Xbyak::Label loop;
    if (n > 0) {
      mov(rax, n);
      L(loop);
      vmovss(xmm0, ptr[rsi]);
      vmulss(xmm0, xmm0, ptr[rdx]);
      vmovss(ptr[rdi], xmm0);
      add(rsi, 4);
      add(rdx, 4);
      add(rdi, 4);
      dec(rax);
      jnz(loop);
    }
    ret();
  }
};

}  // namespace

extern "C" size_t mul_f32_jit_avx2_made_writable_and_executable(void* code, size_t capacity, const size_t* key) {
  try {
    const size_t size = Generator(code, capacity, key[0]).getSize();
    Xbyak::CodeArray::protect(code, capacity, Xbyak::CodeArray::PROTECT_RWE);
    return size;
  } catch (const Xbyak::Error&) {
    return 0;
  }
}
