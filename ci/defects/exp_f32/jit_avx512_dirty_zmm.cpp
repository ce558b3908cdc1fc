// defect: VZEROUPPER comes only behind a remainder
// class: masks
// stands for: dirty upper ZMM halves on one path of several
// caught by: dirty-upper
#include <string.h>
#include <xbyak/xbyak.h>

#include "kernels/exp_f32/kernel.h"

extern "C" exp_f32_gen exp_f32_jit_avx512_dirty_zmm;

namespace {

// The algorithm and the constants are explained in kernels/exp_f32/scalar.cpp and avx512.cpp.
struct Generator : Xbyak::CodeGenerator {
  Generator(void* code, size_t capacity, size_t n) : CodeGenerator(capacity, code) {
    Xbyak::Label loop;
    if (n / 16 > 0) {
      mov(rax, n / 16);
      L(loop);
      vmovups(zmm0, ptr[rsi]);
      exp();
      vmovups(ptr[rdi], zmm0);
      add(rsi, 64);
      add(rdi, 64);
      dec(rax);
      jnz(loop);
    }
    if (n % 16 != 0) {
      mov(eax, (1u << n % 16) - 1);
      kmovw(k1, eax);
      vmovups(zmm0 | k1 | T_z, ptr[rsi]);
      exp();
      vmovups(ptr[rdi] | k1, zmm0);
      vzeroupper();
    }
    ret();
    if (n > 0) {
      align(64);
      L(constants_);
      for (const float value : kValues) {
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        dd(bits);
      }
    }
  }

 private:
  enum { kMagic, kLow, kHigh, kLog2e, kLn2High, kLn2Low, kC6, kC5, kC4, kC3, kC2, kOne, kConstants };
  static constexpr float kValues[kConstants] = {0x1.8p23f,       -104,           89,
                                                0x1.715476p0f,   0x1.62e43p-1f,  -0x1.05c61p-29f,
                                                0x1.6a2332p-10f, 0x1.1239c4p-7f, 0x1.5558d2p-5f,
                                                0x1.555492p-3f,  0x1.fffffcp-2f, 1};

  Xbyak::Address constant(int c) { return ptr_b[rip + constants_ + 4 * c]; }

  // zmm0 = e^zmm0
  void exp() {
    vbroadcastss(zmm1, ptr[rip + constants_ + 4 * kLow]);
    vmaxps(zmm0, zmm1, zmm0);
    vbroadcastss(zmm1, ptr[rip + constants_ + 4 * kHigh]);
    vminps(zmm0, zmm1, zmm0);
    vbroadcastss(zmm1, ptr[rip + constants_ + 4 * kLog2e]);
    vfmadd213ps(zmm1, zmm0, constant(kMagic));
    vsubps(zmm1, zmm1, constant(kMagic));  // n
    vfnmadd231ps(zmm0, zmm1, constant(kLn2High));
    vfnmadd231ps(zmm0, zmm1, constant(kLn2Low));
    vbroadcastss(zmm2, ptr[rip + constants_ + 4 * kC6]);
    for (const int c : {kC5, kC4, kC3, kC2, kOne, kOne}) {
      vfmadd213ps(zmm2, zmm0, constant(c));
    }
    vscalefps(zmm0, zmm2, zmm1);
  }

  Xbyak::Label constants_;
};

}  // namespace

extern "C" size_t exp_f32_jit_avx512_dirty_zmm(void* code, size_t capacity, const size_t* key) {
  try {
    return Generator(code, capacity, key[0]).getSize();
  } catch (const Xbyak::Error&) {
    return 0;
  }
}
