#pragma once
#include "kernels/shared/jit.h"
#include "kernels/softcap_f32/kernel.h"

namespace {

// Code for one n: a constant trip count, then straight-line code for what is left. The algorithm is that of avx2.cpp, whose variables
// are named at the right. Arguments: rdi = y, rsi = x, xmm0 = c; n is not read.
template <class Vec>
class Generator : public VectorGenerator {
 public:
  Generator(void* code, size_t capacity, size_t n) : VectorGenerator(code, capacity, n % Vec::kLanes) {
    const size_t vectors = n / Vec::kLanes;
    if (n != 0) {
      prepare();
    }
    repeat(vectors / kUnroll, [&] { step(kUnroll); });
    if (const int tail = static_cast<int>(vectors % kUnroll); tail > 0) {
      step(tail);
    }
    if (rest_ != 0) {
      load_mask(Vec(15));
      load(Vec(0), ptr[rsi], true);
      softcap(1);
      store(ptr[rdi], Vec(0), true);
    }
    vzeroupper();
    ret();
    if (n != 0) {
      write_constants();
    }
  }

 private:
  enum Constant { kMagic, kOne, kTwo, kSign, kC6, kC5, kC4, kC3, kC2, kC1, kConstants };
  static constexpr int kUnroll = 2;

  static Vec x(int j) { return Vec(j); }
  static Vec t(int j) { return Vec(kUnroll + j); }
  static Vec a(int j) { return Vec(2 * kUnroll + j); }
  static Vec b(int j) { return Vec(3 * kUnroll + j); }
  static Vec c(int j) { return Vec(4 * kUnroll + j); }
  static Vec slope() { return Vec(10); }
  static Vec most() { return Vec(12); }
  static Vec cap() { return Vec(13); }
  static Vec one() { return Vec(14); }

  void prepare() {
    vbroadcastss(cap(), xmm0);
    vcvtss2sd(xmm1, xmm0, xmm0);
    vmovsd(xmm2, ptr[rip + doubles_]);
    vdivsd(xmm2, xmm2, xmm1);  // k
    vcvtsd2ss(xmm10, xmm2, xmm2);
    vmovsd(xmm4, ptr[rip + doubles_ + 8]);
    vdivsd(xmm4, xmm4, xmm2);
    vcvtsd2ss(xmm12, xmm4, xmm4);
    vbroadcastss(slope(), xmm10);
    vbroadcastss(most(), xmm12);
    vmovaps(one(), constants_.in_memory(kOne));
  }

  void step(int count) {
    each(count, [&](int j) { vmovups(x(j), ptr[rsi + j * Vec::kBytes]); });
    softcap(count);
    each(count, [&](int j) { vmovups(ptr[rdi + j * Vec::kBytes], x(j)); });
    add(rsi, count * Vec::kBytes);
    add(rdi, count * Vec::kBytes);
  }

  void softcap(int count) {
    const auto with = [&](int k, auto&& emit) { constants_.each(count, k, emit); };
    with(kSign, [&](int j, const auto& k) { vmovaps(a(j), k); });
    each(count, [&](int j) { vandnps(t(j), a(j), x(j)); });
    each(count, [&](int j) { vandps(x(j), x(j), a(j)); });  // the sign alone
    each(count, [&](int j) { vminps(t(j), most(), t(j)); });
    with(kMagic, [&](int j, const auto& k) { vmovaps(a(j), k); });
    each(count, [&](int j) { vfmadd231ps(a(j), t(j), slope()); });       // shifted
    with(kMagic, [&](int j, const auto& k) { vsubps(b(j), a(j), k); });  // whole
    each(count, [&](int j) { vfmsub231ps(b(j), t(j), slope()); });       // f
    each(count, [&](int j) { vpslld(a(j), a(j), 23); });
    each(count, [&](int j) { vpaddd(a(j), a(j), one()); });  // power
    with(kC6, [&](int j, const auto& k) { vmovaps(c(j), k); });
    for (const int power : {kC5, kC4, kC3, kC2, kC1}) {
      with(power, [&](int j, const auto& k) { vfmadd213ps(c(j), b(j), k); });
    }
    each(count, [&](int j) { vmulps(b(j), b(j), c(j)); });
    each(count, [&](int j) { vsubps(c(j), a(j), one()); });
    each(count, [&](int j) { vfmadd213ps(a(j), b(j), c(j)); });  // e
    with(kTwo, [&](int j, const auto& k) { vaddps(b(j), a(j), k); });
    each(count, [&](int j) { vdivps(a(j), a(j), b(j)); });
    each(count, [&](int j) { vmulps(a(j), a(j), cap()); });
    each(count, [&](int j) { vorps(x(j), x(j), a(j)); });
  }

  void write_constants() {
    float values[kConstants] = {};
    values[kMagic] = 0x1.8p23f;
    values[kOne] = 1;
    values[kTwo] = 2;
    values[kSign] = -0.0f;
    values[kC6] = 0x1.41fee8p-13f;
    values[kC5] = 0x1.5f428p-10f;
    values[kC4] = 0x1.3b2e3cp-7f;
    values[kC3] = 0x1.c6af24p-5f;
    values[kC2] = 0x1.ebfbdap-3f;
    values[kC1] = 0x1.62e43p-1f;
    constants_.write(values);
    L(doubles_);
    for (const double value : {2.8853900817779268, 30.0}) {
      uint64_t bits;
      memcpy(&bits, &value, sizeof bits);
      dq(bits);
    }
    if (rest_ != 0) {
      write_mask<Vec>();
    }
  }

  Constants<Vec> constants_{*this, 0, 0};  // read from memory
  Xbyak::Label doubles_;
};

}  // namespace
