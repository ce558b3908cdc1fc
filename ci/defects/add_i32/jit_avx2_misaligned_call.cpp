// defect: a helper is called with the stack where the call of the kernel left it: 8 bytes off
// class: state
// stands for: `sub rsp, 8` forgotten before a call: harmless until the callee keeps a vector on its stack
// caught by: stack-alignment
#include <xbyak/xbyak.h>

#include "kernels/add_i32/kernel.h"

extern "C" add_i32_gen add_i32_jit_avx2_misaligned_call;

namespace {

void add_one_by_one(int32_t* z, const int32_t* x, const int32_t* y, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    z[i] = static_cast<int32_t>(static_cast<uint32_t>(x[i]) + static_cast<uint32_t>(y[i]));
  }
}

struct Generator : Xbyak::CodeGenerator {
  Generator(void* code, size_t capacity) : CodeGenerator(capacity, code) {
    mov(rax, reinterpret_cast<size_t>(&add_one_by_one));
    call(rax);
    ret();
  }
};

}  // namespace

extern "C" size_t add_i32_jit_avx2_misaligned_call(void* code, size_t capacity, const size_t*) {
  try {
    return Generator(code, capacity).getSize();
  } catch (const Xbyak::Error&) {
    return 0;
  }
}
