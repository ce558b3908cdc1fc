#pragma once
#include "kernels/quantize_q8_0/kernel.h"
#include "kernels/shared/jit.h"

// What the generators share. All is local to the file that includes it.
namespace {

// Code for one n: a constant number of blocks of 32 values.
// Arguments: rdi = dst, rsi = x; n is not read.
class Generator : public Xbyak::CodeGenerator {
 protected:
  Generator(void* code, size_t capacity) : CodeGenerator(capacity, code) {}

  // What an ISA does in its own way. largest(): the block at rsi into registers, the maximum of the magnitudes' bits
  // into all lanes of xmm8, with xmm9 for scratch. store(): dst[2..34) from the registers and 127/amax in xmm9.
  virtual void constants() = 0;
  virtual void largest() = 0;
  virtual void store() = 0;
  virtual void tables() {}

  void assemble(size_t n) {
    const size_t blocks = n / 32;
    if (blocks == 0) {
      ret();
      return;
    }
    Xbyak::Label block, next, not_finite, empty;
    constants();
    mov(rax, blocks);
    align(32);
    L(block);
    largest();
    vdivps(xmm9, xmm13, xmm8);  // 127/amax
    vmovd(ecx, xmm8);
    vmovd(edx, xmm9);
    cmp(ecx, 0x7f800000);
    jae(not_finite, T_NEAR);
    xor_(ecx, ecx);
    cmp(edx, 0x7f800000);
    je(empty, T_NEAR);
    vdivps(xmm8, xmm8, xmm13);
    vcvtps2ph(xmm8, xmm8, 0);  // 0: to nearest even
    vpextrw(ptr[rdi], xmm8, 0);
    store();
    L(next);
    add(rsi, 128);
    add(rdi, 34);
    dec(rax);
    jnz(block, T_NEAR);
    vzeroupper();
    ret();
    L(not_finite);
    mov(ecx, 0x7e00);  // NaN
    L(empty);
    mov(word[rdi], cx);
    vpxor(xmm8, xmm8, xmm8);
    vmovdqu(ptr[rdi + 2], xmm8);
    vmovdqu(ptr[rdi + 18], xmm8);
    jmp(next, T_NEAR);
    align(32);
    L(f127_);
    dd(0x42fe0000);  // 127.0f
    L(abs_);
    dd(0x7fffffff);
    tables();
  }

  // The maximum over the lanes of xmm8 into all of them.
  void spread() {
    vpshufd(xmm9, xmm8, 0x4e);
    vpmaxsd(xmm8, xmm8, xmm9);
    vpshufd(xmm9, xmm8, 0xb1);
    vpmaxsd(xmm8, xmm8, xmm9);
  }

  Xbyak::Label f127_, abs_;
};

}  // namespace
