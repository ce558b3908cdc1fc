#include "kernels/quantize_q1_0/jit.h"

extern "C" quantize_q1_0_gen quantize_q1_0_jit_avx2;

namespace {

class Avx2 : public Generator {
 public:
  Avx2(void* code, size_t capacity, size_t n) : Generator(code, capacity) { assemble(n); }

 private:
  void constants() override {
    vxorps(xmm13, xmm13, xmm13);
    vbroadcastss(ymm14, ptr[rip + abs_]);
    vmovdqu(ymm15, ptr[rip + order_]);
  }

  void bits_and_sums() override {
    for (int k = 0; k < 4; ++k) {
      for (int j = 0; j < 4; ++j) {
        const Xbyak::Ymm sum(j), value(4 + j), positive(8 + j);
        vmovups(value, ptr[rsi + 32 * (4 * k + j)]);
        vcmpps(positive, value, ymm13, kGreaterOrEqual);
        if (k == 0) {
          vandps(sum, value, ymm14);
        } else {
          vandps(value, value, ymm14);
          vaddps(sum, sum, value);
        }
      }
      vpackssdw(ymm8, ymm8, ymm9);
      vpackssdw(ymm10, ymm10, ymm11);
      vpacksswb(ymm8, ymm8, ymm10);
      vpermd(ymm8, ymm15, ymm8);
      vpmovmskb(ecx, ymm8);
      mov(ptr[rdi + 2 + 4 * k], ecx);
    }
    vaddps(ymm0, ymm0, ymm1);
    vaddps(ymm2, ymm2, ymm3);
    vaddps(ymm0, ymm0, ymm2);
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

extern "C" size_t quantize_q1_0_jit_avx2(void* code, size_t capacity, const size_t* key) {
  return generate<Avx2>(code, capacity, key[0]);
}
