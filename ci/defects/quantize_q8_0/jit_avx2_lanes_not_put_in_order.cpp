// defect: the permutation after the packs is missing: values come out by groups of four as 0 2 4 6 1 3 5 7
// class: integers
// stands for: VPACKSSDW taken to work across its 128-bit lanes
// caught by: value
#include <xbyak/xbyak.h>

#include "kernels/quantize_q8_0/kernel.h"

extern "C" quantize_q8_0_gen quantize_q8_0_jit_avx2_lanes_not_put_in_order;

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

class Avx2 : public Generator {
 public:
  Avx2(void* code, size_t capacity, size_t n) : Generator(code, capacity) { assemble(n); }

 private:
  void constants() override {
    vbroadcastss(xmm13, ptr[rip + f127_]);
    vpbroadcastd(ymm14, ptr[rip + abs_]);
    vmovdqu(ymm15, ptr[rip + order_]);
  }

  void largest() override {
    for (int j = 0; j < 4; ++j) {
      vmovups(Xbyak::Ymm(j), ptr[rsi + 32 * j]);
      vpand(Xbyak::Ymm(4 + j), Xbyak::Ymm(j), ymm14);
    }
    vpmaxsd(ymm4, ymm4, ymm5);
    vpmaxsd(ymm6, ymm6, ymm7);
    vpmaxsd(ymm8, ymm4, ymm6);
    vextracti128(xmm9, ymm8, 1);
    vpmaxsd(xmm8, xmm8, xmm9);
    spread();
  }

  void store() override {
    vbroadcastss(ymm9, xmm9);
    for (int j = 0; j < 4; ++j) {
      vmulps(Xbyak::Ymm(j), Xbyak::Ymm(j), ymm9);
      vcvtps2dq(Xbyak::Ymm(j), Xbyak::Ymm(j));
    }
    vpackssdw(ymm0, ymm0, ymm1);
    vpackssdw(ymm2, ymm2, ymm3);
    vpacksswb(ymm0, ymm0, ymm2);
    vmovdqu(ptr[rdi + 2], ymm0);
  }

  void tables() override {
    L(order_);  // the packs work within 128-bit lanes: groups of four values come out as 0 2 4 6 1 3 5 7
    for (const uint32_t from : {0u, 4u, 1u, 5u, 2u, 6u, 3u, 7u}) {
      dd(from);
    }
  }

  Xbyak::Label order_;
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

extern "C" size_t quantize_q8_0_jit_avx2_lanes_not_put_in_order(void* code, size_t capacity, const size_t* key) {
  return generate<Avx2>(code, capacity, key);
}
