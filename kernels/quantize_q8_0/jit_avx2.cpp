#include "kernels/quantize_q8_0/jit.h"

extern "C" quantize_q8_0_gen quantize_q8_0_jit_avx2;

namespace {

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
    vpermd(ymm0, ymm15, ymm0);
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

}  // namespace

extern "C" size_t quantize_q8_0_jit_avx2(void* code, size_t capacity, const size_t* key) {
  return generate<Avx2>(code, capacity, key[0]);
}
