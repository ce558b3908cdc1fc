#pragma once
#include "kernels/shared/jit.h"

namespace {

// Code for c tanh(x / c). The algorithm is that of avx2_activations.h, whose variables are named at the right.
class SoftcapGenerator : public VectorGenerator {
 protected:
  using VectorGenerator::VectorGenerator;
  static constexpr int kSoftcapVectors = 2;

  // Takes c in xmm0, and changes 1, 2, 4; then softcap needs 10, 12, 13 and 14.
  template <class Vec>
  void prepare_softcap() {
    vbroadcastss(Vec(13), xmm0);  // cap
    vcvtss2sd(xmm1, xmm0, xmm0);
    vmovsd(xmm2, ptr[rip + softcap_doubles_]);
    vdivsd(xmm2, xmm2, xmm1);  // k
    vcvtsd2ss(xmm10, xmm2, xmm2);
    vmovsd(xmm4, ptr[rip + softcap_doubles_ + 8]);
    vdivsd(xmm4, xmm4, xmm2);
    vcvtsd2ss(xmm12, xmm4, xmm4);
    vbroadcastss(Vec(10), xmm10);  // slope
    vbroadcastss(Vec(12), xmm12);  // most
    vmovaps(Vec(14), constant<Vec>(kUnit));
  }

  // Of the vectors 0 .. count - 1, count <= kSoftcapVectors. Changes 2 to 9.
  template <class Vec>
  void softcap(int count) {
    const auto x = [](int j) { return Vec(j); };
    const auto t = [](int j) { return Vec(2 + j); };
    const auto a = [](int j) { return Vec(4 + j); };
    const auto b = [](int j) { return Vec(6 + j); };
    const auto c = [](int j) { return Vec(8 + j); };
    const Vec slope(10);
    const Vec most(12);
    const Vec cap(13);
    const Vec one(14);
    each(count, [&](int j) { vmovaps(a(j), constant<Vec>(kSign)); });
    each(count, [&](int j) { vandnps(t(j), a(j), x(j)); });
    each(count, [&](int j) { vandps(x(j), x(j), a(j)); });  // the sign alone
    each(count, [&](int j) { vminps(t(j), most, t(j)); });
    each(count, [&](int j) { vmovaps(a(j), constant<Vec>(kMagic)); });
    each(count, [&](int j) { vfmadd231ps(a(j), t(j), slope); });             // shifted
    each(count, [&](int j) { vsubps(b(j), a(j), constant<Vec>(kMagic)); });  // whole
    each(count, [&](int j) { vfmsub231ps(b(j), t(j), slope); });             // f
    each(count, [&](int j) { vpslld(a(j), a(j), 23); });
    each(count, [&](int j) { vpaddd(a(j), a(j), one); });  // power
    each(count, [&](int j) { vmovaps(c(j), constant<Vec>(kC6)); });
    for (const int power : {kC5, kC4, kC3, kC2, kC1}) {
      each(count, [&](int j) { vfmadd213ps(c(j), b(j), constant<Vec>(power)); });
    }
    each(count, [&](int j) { vmulps(b(j), b(j), c(j)); });
    each(count, [&](int j) { vsubps(c(j), a(j), one); });
    each(count, [&](int j) { vfmadd213ps(a(j), b(j), c(j)); });  // e
    each(count, [&](int j) { vaddps(b(j), a(j), constant<Vec>(kTwo)); });
    each(count, [&](int j) { vdivps(a(j), a(j), b(j)); });
    each(count, [&](int j) { vmulps(a(j), a(j), cap); });
    each(count, [&](int j) { vorps(x(j), x(j), a(j)); });
  }

  // What they read, to be written behind the code.
  template <class Vec>
  void write_softcap() {
    float values[kConstants] = {};
    values[kMagic] = 0x1.8p23f;
    values[kUnit] = 1;
    values[kTwo] = 2;
    values[kSign] = -0.0f;
    values[kC6] = 0x1.41fee8p-13f;
    values[kC5] = 0x1.5f428p-10f;
    values[kC4] = 0x1.3b2e3cp-7f;
    values[kC3] = 0x1.c6af24p-5f;
    values[kC2] = 0x1.ebfbdap-3f;
    values[kC1] = 0x1.62e43p-1f;
    align(64);
    L(softcap_constants_);
    for (const float value : values) {
      write(value, Vec::kLanes);
    }
    L(softcap_doubles_);
    for (const double value : {2.8853900817779268, 30.0}) {
      uint64_t bits;
      memcpy(&bits, &value, sizeof bits);
      dq(bits);
    }
  }

 private:
  enum { kMagic, kUnit, kTwo, kSign, kC6, kC5, kC4, kC3, kC2, kC1, kConstants };

  template <class Vec>
  Xbyak::Address constant(int k) {
    return ptr[rip + softcap_constants_ + k * Vec::kBytes];
  }

  Xbyak::Label softcap_constants_, softcap_doubles_;
};

}  // namespace
