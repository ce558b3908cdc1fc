#pragma once
#include "kernels/quantize_q1_0/kernel.h"
#include "kernels/shared/jit.h"

// What the generators share. All is local to the file that includes it.
namespace {

// Code for one n: a constant number of blocks of 128 values.
// Arguments: rdi = dst, rsi = x; n is not read.
class Generator : public Xbyak::CodeGenerator {
 protected:
  Generator(void* code, size_t capacity) : CodeGenerator(capacity, code) {}

  // What an ISA does in its own way. bits_and_sums(): dst[2..18), and the sum of |x| in eight partial sums in ymm0.
  virtual void constants() = 0;
  virtual void bits_and_sums() = 0;
  virtual void tables() {}

  void assemble(size_t n) {
    const size_t blocks = n / 128;
    if (blocks == 0) {
      ret();
      return;
    }
    Xbyak::Label block;
    constants();
    vmovss(xmm12, ptr[rip + scale_]);
    mov(rax, blocks);
    align(32);
    L(block);
    bits_and_sums();
    vextractf128(xmm1, ymm0, 1);
    vaddps(xmm0, xmm0, xmm1);
    vmovhlps(xmm1, xmm0, xmm0);
    vaddps(xmm0, xmm0, xmm1);
    vmovshdup(xmm1, xmm0);
    vaddss(xmm0, xmm0, xmm1);
    vmulss(xmm0, xmm0, xmm12);
    vcvtps2ph(xmm0, xmm0, 0);  // 0: to nearest even
    vpextrw(ptr[rdi], xmm0, 0);
    add(rsi, 512);
    add(rdi, 18);
    dec(rax);
    jnz(block, T_NEAR);
    vzeroupper();
    ret();
    align(32);
    L(abs_);
    dd(0x7fffffff);
    L(scale_);
    dd(0x3c000000);  // 1.0f / 128
    tables();
  }

  static constexpr uint8_t kGreaterOrEqual = 0x1d;  // ordered, quiet: _CMP_GE_OQ

  Xbyak::Label abs_, scale_;
};

}  // namespace
