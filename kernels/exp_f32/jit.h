#pragma once
#include "kernels/exp_f32/kernel.h"
#include "kernels/shared/jit.h"

namespace {

// In order of use in the loop: the first ones get the free registers, the others are read from memory.
enum Constant {
  kMagic,
  kOne,
  kLog2e,
  kC6,
  kC5,
  kLn2High,
  kLn2Low,
  kC4,
  kC3,
  kC2,
  kLow,
  kHigh,
  kMagicAny,
  kNear,
  kConstants
};

// Code for one n: a constant trip count, then straight-line code for what is left. The algorithm is that of avx2.cpp
// and avx512.cpp. Arguments: rdi = y, rsi = x; n is not read.
template <class Vec>
class Generator : public VectorGenerator {
 public:
  Generator(void* code, size_t capacity, size_t n) : VectorGenerator(code, capacity, n % Vec::kLanes) {
    const size_t vectors = n / Vec::kLanes;
    if (n != 0) {
      constants_.load();
    }
    Xbyak::Label loop;
    Xbyak::Label next;
    Xbyak::Label extreme;
    const size_t rounds = vectors / kUnroll;
    if (rounds > 0) {
      mov(rax, rounds);
      align(32);
      L(loop);
      if constexpr (kWide) {
        load_all(kUnroll);
        exp_any(kUnroll);
      } else {
        load_near(extreme);
        exp_near(kUnroll);
      }
      store_all(kUnroll);
      L(next);
      add(rsi, kUnroll * kBytes);
      add(rdi, kUnroll * kBytes);
      dec(rax);
      jnz(loop, T_NEAR);
    }
    if (const int tail = static_cast<int>(vectors % kUnroll); tail > 0) {
      load_all(tail);
      exp_any(tail);
      store_all(tail);
      add(rsi, tail * kBytes);
      add(rdi, tail * kBytes);
    }
    if (rest_ != 0) {
      load_mask(p(0));
      load(r(0), ptr[rsi], true);
      exp_any(1);
      if constexpr (!kWide) {  // exp_any took the register
        load_mask(r(0));
      }
      store(ptr[rdi], p(0), true);
    }
    vzeroupper();
    ret();
    if (!kWide && rounds > 0) {
      L(extreme);
      exp_any(kUnroll);
      store_all(kUnroll);
      jmp(next, T_NEAR);
    }
    if (n != 0) {
      write_constants();
    }
  }

 private:
  static constexpr bool kWide = Vec::kWide;
  static constexpr int kBytes = Vec::kBytes;
  static constexpr int kUnroll = 4;
  static constexpr int kHeld = kWide ? static_cast<int>(kMagicAny) : 16 - 3 * kUnroll;

  // Each vector has three registers; r begins as x, and p and the whole part n share one.
  static Vec r(int j) { return Vec(j); }
  static Vec shifted(int j) { return Vec(kUnroll + j); }
  static Vec p(int j) { return Vec(2 * kUnroll + j); }

  void load_all(int count) {
    each(count, [&](int j) { vmovups(r(j), ptr[rsi + j * kBytes]); });
  }

  void store_all(int count) {
    each(count, [&](int j) { vmovups(ptr[rdi + j * kBytes], p(j)); });
  }

  // Loads kUnroll vectors and jumps if any |x| > 86; a NaN compares as large. x + x as integers is without the sign.
  void load_near(const Xbyak::Label& extreme) {
    load_all(kUnroll);
    each(kUnroll, [&](int j) { vpaddd(p(j), r(j), r(j)); });
    for (int j = 1; j < kUnroll; ++j) {
      vpmaxud(p(0), p(0), p(j));
    }
    vpsrld(p(0), p(0), 1);
    vmovaps(p(1), constants_.in_memory(kNear));
    vpsubd(p(0), p(1), p(0));
    vmovmskps(ecx, p(0));
    test(ecx, ecx);
    jnz(extreme, T_NEAR);
  }

  // p = e^(x - n ln 2), n = shifted - magic.
  void exp_of_rest(int count, int magic) {
    constants_.each(count, kLog2e, [&](int j, const auto& c) { vmovaps(shifted(j), c); });
    constants_.each(count, magic, [&](int j, const auto& c) { vfmadd213ps(shifted(j), r(j), c); });
    constants_.each(count, magic, [&](int j, const auto& c) { vsubps(p(j), shifted(j), c); });
    constants_.each(count, kLn2High, [&](int j, const auto& c) { vfnmadd231ps(r(j), p(j), c); });
    constants_.each(count, kLn2Low, [&](int j, const auto& c) { vfnmadd231ps(r(j), p(j), c); });
    if constexpr (kWide) {
      each(count, [&](int j) { vmovaps(shifted(j), p(j)); });  // n, for VSCALEFPS
    }
    constants_.each(count, kC6, [&](int j, const auto& c) { vmovaps(p(j), c); });
    for (const int k : {kC5, kC4, kC3, kC2, kOne, kOne}) {
      constants_.each(count, k, [&](int j, const auto& c) { vfmadd213ps(p(j), r(j), c); });
    }
  }

  void exp_near(int count) {
    exp_of_rest(count, kMagic);
    each(count, [&](int j) { vpslld(shifted(j), shifted(j), 23); });
    each(count, [&](int j) { vpaddd(p(j), p(j), shifted(j)); });
  }

  void exp_any(int count) {
    // VMAXPS and VMINPS give their second operand where one is a NaN.
    each(count, [&](int j) { vmaxps(r(j), constants_.in_register(kLow, p(j)), r(j)); });
    each(count, [&](int j) { vminps(r(j), constants_.in_register(kHigh, p(j)), r(j)); });
    exp_of_rest(count, kWide ? kMagic : kMagicAny);
    if constexpr (kWide) {
      each(count, [&](int j) { vscalefps(p(j), p(j), shifted(j)); });
    } else {
      each(count, [&](int j) { vpsrld(r(j), shifted(j), 1); });
      each(count, [&](int j) { vpslld(r(j), r(j), 23); });
      each(count, [&](int j) { vpslld(shifted(j), shifted(j), 23); });
      each(count, [&](int j) { vpsubd(shifted(j), shifted(j), r(j)); });
      each(count, [&](int j) { vmulps(p(j), p(j), r(j)); });
      each(count, [&](int j) { vmulps(p(j), p(j), shifted(j)); });
    }
  }

  void write_constants() {
    float values[kConstants] = {};
    values[kMagic] = 0x1.8p23f;
    values[kLow] = -104;
    values[kHigh] = 89;
    values[kLog2e] = 0x1.715476p0f;
    values[kC6] = 0x1.6a2332p-10f;
    values[kC5] = 0x1.1239c4p-7f;
    values[kLn2High] = 0x1.62e43p-1f;
    values[kLn2Low] = -0x1.05c61p-29f;
    values[kC4] = 0x1.5558d2p-5f;
    values[kC3] = 0x1.555492p-3f;
    values[kC2] = 0x1.fffffcp-2f;
    values[kOne] = 1;
    values[kMagicAny] = 0x1.8p23f + 254;
    values[kNear] = 86;
    constants_.write(values);
    if (rest_ != 0) {
      write_mask<Vec>();
    }
  }

  Constants<Vec> constants_{*this, 3 * kUnroll, kHeld};
};

}  // namespace
