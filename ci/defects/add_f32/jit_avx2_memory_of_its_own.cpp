// defect: the code stays in memory of the generator's own, which is writable and executable; what it returns jumps there
// class: memory
// stands for: the default of a code generator's library (Xbyak's) kept: RWX pages for as long as the process lives
// caught by: wx
#include <xbyak/xbyak.h>

#include "kernels/add_f32/kernel.h"

extern "C" add_f32_gen add_f32_jit_avx2_memory_of_its_own;

namespace {

struct Sum : Xbyak::CodeGenerator {
  Sum() : CodeGenerator(4096) {  // for every length: rcx = n
    Xbyak::Label loop, end;
    test(rcx, rcx);
    jz(end);
    L(loop);
    vmovss(xmm0, ptr[rsi]);
    vaddss(xmm0, xmm0, ptr[rdx]);
    vmovss(ptr[rdi], xmm0);
    add(rsi, 4);
    add(rdx, 4);
    add(rdi, 4);
    dec(rcx);
    jnz(loop);
    L(end);
    ret();
  }
};

struct Jump : Xbyak::CodeGenerator {
  Jump(void* code, size_t capacity, const void* to) : CodeGenerator(capacity, code) {
    mov(rax, reinterpret_cast<size_t>(to));
    jmp(rax);
  }
};

}  // namespace

extern "C" size_t add_f32_jit_avx2_memory_of_its_own(void* code, size_t capacity, const size_t*) {
  static const Sum sum;
  try {
    return Jump(code, capacity, sum.getCode()).getSize();
  } catch (const Xbyak::Error&) {
    return 0;
  }
}
