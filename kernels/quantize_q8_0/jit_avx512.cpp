#include "kernels/quantize_q8_0/jit.h"

extern "C" quantize_q8_0_gen quantize_q8_0_jit_avx512;

namespace {

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

}  // namespace

extern "C" size_t quantize_q8_0_jit_avx512(void* code, size_t capacity, const size_t* key) {
  return generate<Avx512>(code, capacity, key[0]);
}
