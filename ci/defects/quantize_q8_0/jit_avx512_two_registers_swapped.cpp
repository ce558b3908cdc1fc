// defect: rbx and r12 are popped in the order in which they were pushed
// class: state
// stands for: push and pop pairs out of order
// caught by: register
#include <xbyak/xbyak.h>

#include "kernels/quantize_q8_0/kernel.h"

extern "C" quantize_q8_0_gen quantize_q8_0_jit_avx512_two_registers_swapped;

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
    push(rbx);
    push(r12);
    constants();
    mov(rbx, blocks);
    align(32);
    L(block);
    largest();
    vdivps(xmm9, xmm13, xmm8);  // 127/amax
    vmovd(ecx, xmm8);
    vmovd(r12d, xmm9);
    cmp(ecx, 0x7f800000);
    jae(not_finite, T_NEAR);
    xor_(ecx, ecx);
    cmp(r12d, 0x7f800000);
    je(empty, T_NEAR);
    vdivps(xmm8, xmm8, xmm13);
    vcvtps2ph(xmm8, xmm8, 0);  // 0: to nearest even
    vpextrw(ptr[rdi], xmm8, 0);
    store();
    L(next);
    add(rsi, 128);
    add(rdi, 34);
    dec(rbx);
    jnz(block, T_NEAR);
    pop(rbx);
    pop(r12);
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

class Avx512 : public Generator {
 public:
  Avx512(void* code, size_t capacity, size_t n) : Generator(code, capacity) { assemble(n); }

 private:
  void constants() override {
    vbroadcastss(xmm13, ptr[rip + f127_]);
    vpbroadcastd(zmm14, ptr[rip + abs_]);
  }

  void largest() override {
    vmovups(zmm0, ptr[rsi]);
    vmovups(zmm1, ptr[rsi + 64]);
    vpandd(zmm8, zmm0, zmm14);
    vpandd(zmm9, zmm1, zmm14);
    vpmaxsd(zmm8, zmm8, zmm9);
    vextracti64x4(ymm9, zmm8, 1);
    vpmaxsd(ymm8, ymm8, ymm9);
    vextracti128(xmm9, ymm8, 1);
    vpmaxsd(xmm8, xmm8, xmm9);
    spread();
  }

  void store() override {
    vbroadcastss(zmm9, xmm9);
    vmulps(zmm0, zmm0, zmm9);
    vmulps(zmm1, zmm1, zmm9);
    vcvtps2dq(zmm0, zmm0);
    vcvtps2dq(zmm1, zmm1);
    vpmovdb(xmm0, zmm0);
    vpmovdb(xmm1, zmm1);
    vmovdqu(ptr[rdi + 2], xmm0);
    vmovdqu(ptr[rdi + 18], xmm1);
  }
};

template <class Generator>
size_t generate(void* code, size_t capacity, const size_t* key) {
  try {
    return Generator(code, capacity, key[0]).getSize();
  } catch (const Xbyak::Error&) {
    return 0;  // capacity is too small
  }
}

}  // namespace

extern "C" size_t quantize_q8_0_jit_avx512_two_registers_swapped(void* code, size_t capacity, const size_t* key) {
  return generate<Avx512>(code, capacity, key);
}
