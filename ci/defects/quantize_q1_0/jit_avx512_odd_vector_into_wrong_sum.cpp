// defect: the fourth vector is added to the sum again in place of the eighth
// class: operands
// stands for: copy-paste of one index in a tree of additions
// caught by: value
#include <xbyak/xbyak.h>

#include "kernels/quantize_q1_0/kernel.h"

extern "C" quantize_q1_0_gen quantize_q1_0_jit_avx512_odd_vector_into_wrong_sum;

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

class Avx512 : public Generator {
 public:
  Avx512(void* code, size_t capacity, size_t n) : Generator(code, capacity) { assemble(n); }

 private:
  void constants() override {
    vxorps(xmm13, xmm13, xmm13);
    vpbroadcastd(zmm14, ptr[rip + abs_]);
  }

  void bits_and_sums() override {
    for (int j = 0; j < 8; ++j) {
      const Xbyak::Zmm value(j);
      const Xbyak::Opmask positive(1 + j % 7);
      vmovups(value, ptr[rsi + 64 * j]);
      vcmpps(positive, value, zmm13, kGreaterOrEqual);
      kmovw(ptr[rdi + 2 + 2 * j], positive);
      vandps(value, value, zmm14);
    }
    for (int width = 4; width > 0; width /= 2) {
      for (int j = 0; j < width; ++j) {
        vaddps(Xbyak::Zmm(j), Xbyak::Zmm(j), Xbyak::Zmm(j + width == 7 ? 3 : j + width));
      }
    }
    vextractf64x4(ymm1, zmm0, 1);
    vaddps(ymm0, ymm0, ymm1);
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

extern "C" size_t quantize_q1_0_jit_avx512_odd_vector_into_wrong_sum(void* code, size_t capacity, const size_t* key) {
  return generate<Avx512>(code, capacity, key);
}
