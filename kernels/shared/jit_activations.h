#pragma once
#include "kernels/shared/jit.h"

namespace {

enum Formula { kGelu, kSilu, kGeluErf };
enum Form { kUnary, kGated };

// y = f(x), or z = f(gate) * up, element by element for one n: a constant trip count, then straight-line code for what is left.
// Arguments: rdi = y, rsi = x, and rdx = up where there is one; n is not read. The algorithms are those of avx2_activations.h and
// avx512_activations.h, the names at the right those of their variables.
template <class Vec>
class Activation : public VectorGenerator {
 public:
  Activation(void* code, size_t capacity, size_t n, Formula formula, Form form)
      : VectorGenerator(code, capacity, n % Vec::kLanes), formula_(formula), gated_(form == kGated) {
    const size_t vectors = n / Vec::kLanes;
    if (n != 0) {
      constants_.load();
    }
    repeat(vectors / kUnroll, [&] { step(kUnroll); });
    if (const int tail = static_cast<int>(vectors % kUnroll); tail > 0) {
      step(tail);
    }
    if (rest_ != 0) {
      step_part();
    }
    vzeroupper();
    ret();
    if (n != 0) {
      write_constants();
    }
  }

 private:
  // In order of use: the first ones get the free registers, the others are read from memory.
  enum Constant {
    kMagic,
    kAHigh,
    kCHigh,
    kOne,
    kLow,
    kHigh,
    kC6,
    kC5,
    kC4,
    kC3,
    kC2,
    kC1,
    kCLow,
    kALow,
    kFar,
    kDown,
    kOfQuotients,  // so many for GELU and SiLU; for the exact GELU these too
    kAbs = kOfQuotients,
    kThird,
    kMiddle,
    kP10,
    kP0 = kP10 + 10,
    kUp,
    kConstants
  };

  static constexpr bool kWide = Vec::kWide;
  static constexpr int kBytes = Vec::kBytes;
  static constexpr int kUnroll = 2;
  static constexpr int kValues = 5;  // registers for each vector
  static constexpr int kFree = Vec::kRegisters - kValues * kUnroll;

  static Vec x(int j) { return Vec(j); }
  static Vec a(int j) { return Vec(kUnroll + j); }
  static Vec b(int j) { return Vec(2 * kUnroll + j); }
  static Vec c(int j) { return Vec(3 * kUnroll + j); }
  static Vec d(int j) { return Vec(4 * kUnroll + j); }

  void step(int count) {
    each(count, [&](int j) { vmovups(x(j), ptr[rsi + j * kBytes]); });
    activate(count);
    if (gated_) {
      each(count, [&](int j) { vmulps(x(j), x(j), ptr[rdx + j * kBytes]); });
      add(rdx, count * kBytes);
    }
    each(count, [&](int j) { vmovups(ptr[rdi + j * kBytes], x(j)); });
    add(rsi, count * kBytes);
    add(rdi, count * kBytes);
  }

  void step_part() {
    load_mask(a(0));
    load(x(0), ptr[rsi], true);
    activate(1);
    if constexpr (!kWide) {  // the activation took the register
      load_mask(a(0));
    }
    if (gated_) {
      load(b(0), ptr[rdx], true);
      vmulps(x(0), x(0), b(0));
    }
    store(ptr[rdi], x(0), true);
  }

  // x(j) = f(x(j))
  void activate(int count) {
    // VMAXPS and VMINPS give their second operand where one is a NaN.
    each(count, [&](int j) { vmaxps(x(j), constants_.in_register(kLow, a(j)), x(j)); });
    each(count, [&](int j) { vminps(a(j), constants_.in_register(kHigh, a(j)), x(j)); });  // t
    if (formula_ == kGeluErf) {
      return weigh(count);
    }
    if (formula_ == kGelu) {
      find_gelu_power(count);
    } else {
      find_silu_power(count);
    }
    divide(count);
  }

  // The exact GELU, from t in a(j), whose sign is still that of x.
  void weigh(int count) {
    constants_.each(count, kAbs, [&](int j, const auto& k) { vandps(a(j), a(j), k); });
    each(count, [&](int j) { vminps(a(j), constants_.in_register(kHigh, b(j)), a(j)); });  // t
    each(count, [&](int j) { vmulps(b(j), a(j), a(j)); });                                 // square
    each(count, [&](int j) { vmovaps(d(j), a(j)); });
    each(count, [&](int j) { vfmsub213ps(d(j), a(j), b(j)); });  // lacks
    constants_.each(count, kMagic, [&](int j, const auto& k) { vmovaps(c(j), k); });
    constants_.each(count, kAHigh, [&](int j, const auto& k) { vfmadd231ps(c(j), b(j), k); });
    constants_.each(count, kMagic, [&](int j, const auto& k) { vsubps(c(j), c(j), k); });  // whole
    constants_.each(count, kAHigh, [&](int j, const auto& k) { vmulps(d(j), d(j), k); });
    constants_.each(count, kALow, [&](int j, const auto& k) { vfmadd231ps(d(j), b(j), k); });  // f_low
    constants_.each(count, kAHigh, [&](int j, const auto& k) { vfmsub132ps(b(j), c(j), k); });
    each(count, [&](int j) { vaddps(d(j), d(j), b(j)); });  // f
    constants_.each(count, kC6, [&](int j, const auto& k) { vmovaps(b(j), k); });
    for (const int power : {kC5, kC4, kC3, kC2, kC1, kOne}) {
      constants_.each(count, power, [&](int j, const auto& k) { vfmadd213ps(b(j), d(j), k); });
    }
    if constexpr (kWide) {
      constants_.each(count, kUp, [&](int j, const auto& k) { vmulps(b(j), b(j), k); });
      each(count, [&](int j) { vscalefps(b(j), b(j), c(j)); });  // 2^64 2^u
    } else {
      constants_.each(count, kMagic, [&](int j, const auto& k) { vaddps(c(j), c(j), k); });
      each(count, [&](int j) { vpslld(c(j), c(j), 23); });
      each(count, [&](int j) { vpaddd(b(j), b(j), c(j)); });
      constants_.each(count, kUp, [&](int j, const auto& k) { vpaddd(b(j), b(j), k); });
    }
    constants_.each(count, kOne, [&](int j, const auto& k) { vmovaps(c(j), k); });
    constants_.each(count, kThird, [&](int j, const auto& k) { vfmadd231ps(c(j), a(j), k); });
    each(count, [&](int j) { vdivps(c(j), constants_.in_register(kOne, d(j)), c(j)); });    // s
    constants_.each(count, kMiddle, [&](int j, const auto& k) { vsubps(a(j), c(j), k); });  // z
    each(count, [&](int j) { vmulps(b(j), b(j), c(j)); });
    constants_.each(count, kP10, [&](int j, const auto& k) { vmovaps(d(j), k); });
    for (int power = kP10 + 1; power <= kP0; ++power) {
      constants_.each(count, power, [&](int j, const auto& k) { vfmadd213ps(d(j), a(j), k); });  // p
    }
    each(count, [&](int j) { vmulps(b(j), b(j), d(j)); });  // tail
    constants_.each(count, kOne, [&](int j, const auto& k) { vmovaps(c(j), k); });
    constants_.each(count, kDown, [&](int j, const auto& k) { vfnmadd231ps(c(j), b(j), k); });  // above
    constants_.each(count, kOne, [&](int j, const auto& k) { vmovaps(d(j), k); });
    if constexpr (kWide) {
      each(count, [&](int j) { vpmovd2m(Xbyak::Opmask(2 + j), x(j)); });  // below
      each(count, [&](int j) { vmovaps(c(j) | Xbyak::Opmask(2 + j), b(j)); });
      constants_.each(count, kDown, [&](int j, const auto& k) { vmovaps(d(j) | Xbyak::Opmask(2 + j), k); });
    } else {
      each(count, [&](int j) { vblendvps(c(j), c(j), b(j), x(j)); });
      constants_.each(count, kDown, [&](int j, const auto& k) { vmovaps(a(j), k); });
      each(count, [&](int j) { vblendvps(d(j), d(j), a(j), x(j)); });
    }
    each(count, [&](int j) { vmulps(x(j), x(j), c(j)); });
    each(count, [&](int j) { vmulps(x(j), x(j), d(j)); });
  }

  // From t in a(j): shifted in a(j), whole in c(j), f in d(j).
  void find_gelu_power(int count) {
    each(count, [&](int j) { vmovaps(b(j), a(j)); });
    constants_.each(count, kCHigh, [&](int j, const auto& k) { vfmadd213ps(b(j), a(j), k); });  // s
    constants_.each(count, kCHigh, [&](int j, const auto& k) { vsubps(c(j), b(j), k); });
    each(count, [&](int j) { vfmsub231ps(c(j), a(j), a(j)); });
    constants_.each(count, kCLow, [&](int j, const auto& k) { vaddps(c(j), c(j), k); });  // s_low
    each(count, [&](int j) { vmulps(d(j), a(j), b(j)); });                                // w
    each(count, [&](int j) { vfmsub213ps(b(j), a(j), d(j)); });
    each(count, [&](int j) { vfmadd231ps(b(j), a(j), c(j)); });  // w_low
    constants_.each(count, kMagic, [&](int j, const auto& k) { vmovaps(a(j), k); });
    constants_.each(count, kAHigh, [&](int j, const auto& k) { vfmadd231ps(a(j), d(j), k); });  // shifted
    constants_.each(count, kMagic, [&](int j, const auto& k) { vsubps(c(j), a(j), k); });       // whole
    constants_.each(count, kAHigh, [&](int j, const auto& k) { vmulps(b(j), b(j), k); });
    constants_.each(count, kALow, [&](int j, const auto& k) { vfmadd231ps(b(j), d(j), k); });  // f_low
    constants_.each(count, kAHigh, [&](int j, const auto& k) { vfmsub132ps(d(j), c(j), k); });
    each(count, [&](int j) { vaddps(d(j), d(j), b(j)); });  // f
  }

  void find_silu_power(int count) {
    each(count, [&](int j) { vmovaps(d(j), a(j)); });  // t
    each(count, [&](int j) { vmovaps(b(j), a(j)); });
    constants_.each(count, kMagic, [&](int j, const auto& k) { vmovaps(a(j), k); });
    constants_.each(count, kAHigh, [&](int j, const auto& k) { vfmadd231ps(a(j), d(j), k); });  // shifted
    constants_.each(count, kMagic, [&](int j, const auto& k) { vsubps(c(j), a(j), k); });       // whole
    constants_.each(count, kAHigh, [&](int j, const auto& k) { vfmsub132ps(d(j), c(j), k); });
    constants_.each(count, kALow, [&](int j, const auto& k) { vfmadd231ps(d(j), b(j), k); });  // f
  }

  // x = x / (1 + 2^(whole + f))
  void divide(int count) {
    constants_.each(count, kC6, [&](int j, const auto& k) { vmovaps(b(j), k); });
    for (const int power : {kC5, kC4, kC3, kC2, kC1, kOne}) {
      constants_.each(count, power, [&](int j, const auto& k) { vfmadd213ps(b(j), d(j), k); });  // p
    }
    if constexpr (kWide) {
      each(count, [&](int j) { vcmpps(Xbyak::Opmask(2 + j), x(j), constants_.in_register(kFar, a(j)), 1); });  // x < -8
      constants_.each(count, kOne, [&](int j, const auto& k) { vmovaps(a(j), k); });
      constants_.each(count, kDown, [&](int j, const auto& k) { vmovaps(a(j) | Xbyak::Opmask(2 + j), k); });  // scale
      each(count, [&](int j) { vmulps(b(j), b(j), a(j)); });
      each(count, [&](int j) { vscalefps(b(j), b(j), c(j)); });  // power
    } else {
      constants_.each(count, kFar, [&](int j, const auto& k) { vcmpps(c(j), x(j), k, 1); });  // x < -8
      constants_.each(count, kDown, [&](int j, const auto& k) { vpand(c(j), c(j), k); });
      each(count, [&](int j) { vpslld(a(j), a(j), 23); });
      each(count, [&](int j) { vpsubd(a(j), a(j), c(j)); });
      each(count, [&](int j) { vpaddd(b(j), b(j), a(j)); });                                // power
      each(count, [&](int j) { vpsubd(a(j), constants_.in_register(kOne, a(j)), c(j)); });  // scale
    }
    each(count, [&](int j) { vmulps(x(j), x(j), a(j)); });
    each(count, [&](int j) { vaddps(b(j), b(j), a(j)); });
    each(count, [&](int j) { vdivps(x(j), x(j), b(j)); });
  }

  void write_constants() {
    float values[kConstants] = {};
    if (formula_ == kGelu) {
      values[kLow] = -11;
      values[kHigh] = 8;
      values[kAHigh] = -0x1.a5a7dp-4f;
      values[kALow] = 0x1.151aaep-29f;
      values[kCHigh] = 0x1.65d26p+4f;
      values[kCLow] = -0x1.226128p-20f;
    } else if (formula_ == kSilu) {
      values[kLow] = -109;
      values[kHigh] = 18;
      values[kAHigh] = -0x1.715476p0f;
      values[kALow] = -0x1.4ae0cp-26f;
    } else {
      constexpr float kPolynomial[] = {0x1.1816a4p-2f,  0x1.9295a2p-2f,  0x1.57839p-2f,  0x1.a43908p-4f,
                                       -0x1.56c6ep-4f,  -0x1.d950eap-5f, 0x1.5cf8dcp-5f, 0x1.a7122p-6f,
                                       -0x1.052ce6p-5f, -0x1.c5263ep-8f, 0x1.30b9dcp-6f};
      values[kLow] = -15;
      values[kHigh] = 15;
      values[kAHigh] = -0x1.715476p-1f;
      values[kALow] = -0x1.4ae0cp-27f;
      const uint32_t all_but_the_sign = 0x7fffffff;
      memcpy(&values[kAbs], &all_but_the_sign, sizeof all_but_the_sign);
      values[kThird] = 0x1.555556p-2f;
      values[kMiddle] = 0x1.2aaaaap-1f;
      for (int power = 0; power <= 10; ++power) {
        values[kP0 - power] = kPolynomial[power];
      }
      values[kUp] = kWide ? 0x1p64f : 0x1p-63f;  // narrow: the bits 64 << 23, to add to an exponent
    }
    values[kMagic] = 0x1.8p23f;
    values[kOne] = 1;
    values[kC6] = 0x1.41fee8p-13f;
    values[kC5] = 0x1.5f428p-10f;
    values[kC4] = 0x1.3b2e3cp-7f;
    values[kC3] = 0x1.c6af24p-5f;
    values[kC2] = 0x1.ebfbdap-3f;
    values[kC1] = 0x1.62e43p-1f;
    values[kFar] = -8;
    // Narrow quotients: the bits 64 << 23, to subtract from an exponent.
    values[kDown] = kWide || formula_ == kGeluErf ? 0x1p-64f : 0x1p-63f;
    constants_.write(values, number_of_constants());
    if (rest_ != 0) {
      write_mask<Vec>();
    }
  }

  int number_of_constants() const { return formula_ == kGeluErf ? kConstants : kOfQuotients; }

  const Formula formula_;
  const bool gated_;
  Constants<Vec> constants_{*this, kValues* kUnroll, number_of_constants() < kFree ? number_of_constants() : kFree};
};

}  // namespace
