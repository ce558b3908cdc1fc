#include "kernels/quantize_q1_0/jit.h"

extern "C" quantize_q1_0_gen quantize_q1_0_jit_avx512;

namespace {

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
        vaddps(Xbyak::Zmm(j), Xbyak::Zmm(j), Xbyak::Zmm(j + width));
      }
    }
    vextractf64x4(ymm1, zmm0, 1);
    vaddps(ymm0, ymm0, ymm1);
  }
};

}  // namespace

extern "C" size_t quantize_q1_0_jit_avx512(void* code, size_t capacity, const size_t* key) {
  return generate<Avx512>(code, capacity, key[0]);
}
