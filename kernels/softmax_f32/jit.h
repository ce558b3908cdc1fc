#pragma once
#include "kernels/shared/jit.h"
#include "kernels/shared/jit_exp.h"
#include "kernels/softmax_f32/kernel.h"

namespace {

// Code for one n: constant trip counts, then straight-line code for what is left.
// Arguments: rdi = y, rsi = x, xmm0 = scale; n is not read. rax is the offset in bytes, rcx the end
// of the loops.
template <class Vec>
class Generator : public VectorGenerator {
 public:
  Generator(void* code, size_t capacity, size_t n)
      : VectorGenerator(code, capacity, n % Vec::kLanes),
        rounds_(n / (kUnroll * Vec::kLanes)),
        vectors_(static_cast<int>(n / Vec::kLanes % kUnroll)) {
    if (n == 0) {
      ret();
      return;
    }
    vbroadcastss(scale_, Xbyak::Xmm(0));
    load_constants();
    if (rounds_ > 0) {
      mov(rcx, rounds_ * kUnroll * kBytes);
    }
    for (int j = 0; j < kUnroll; ++j) {
      vbroadcastss(Vec(kSums + j), constant(kMinusInf));
    }
    each([&](int j, int offset, bool masked) {
      if (masked && kLanes == 8) {
        load(Vec(6), ptr[rsi + rax + offset], true);
        vbroadcastss(Vec(7), constant(kMinusInf));
        vblendvps(ymm6, ymm7, ymm6, ymm15);
        vmaxps(Vec(kSums + j), Vec(6), Vec(kSums + j));
      } else if (masked) {
        vbroadcastss(Vec(6), constant(kMinusInf));
        vmovups(Vec(6) | k1, ptr[rsi + rax + offset]);
        vmaxps(Vec(kSums + j), Vec(6), Vec(kSums + j));
      } else {
        vmovups(Vec(6), ptr[rsi + rax + offset]);
        vmaxps(Vec(kSums + j), Vec(6),
               Vec(kSums + j));  // in this order it passes over NaN, which the sum will meet
      }
    });
    reduce([&](const Xbyak::Xmm& a, const Xbyak::Xmm& b) { vmaxps(a, a, b); });
    xor_(edx, edx);
    Xbyak::Label some;
    vmovss(xmm6, constant(kMinusInf));
    vucomiss(xmm2, xmm6);
    jne(some);
    inc(edx);                  // every x is -Inf or NaN
    vxorps(xmm2, xmm2, xmm2);  // -Inf less -Inf would be NaN
    L(some);
    vmulss(xmm2, xmm2, xmm0);
    vbroadcastss(max_, xmm2);
    for (int j = 0; j < kUnroll; ++j) {
      vxorps(Xbyak::Xmm(kSums + j), Xbyak::Xmm(kSums + j), Xbyak::Xmm(kSums + j));
    }
    each([&](int j, int offset, bool masked) {
      if (masked) {
        load(Vec(6), ptr[rsi + rax + offset], true);
        vmulps(Vec(6), Vec(6), scale_);
      } else {
        vmulps(Vec(6), scale_, ptr[rsi + rax + offset]);
      }
      vsubps(Vec(6), Vec(6), max_);
      exponential();
      store(ptr[rdi + rax + offset], Vec(6), masked);
      if (masked && kLanes == 8) {
        vandps(ymm6, ymm6, ymm15);
      }
      if (masked && kLanes == 16) {
        vaddps(Vec(kSums + j) | k1, Vec(kSums + j), Vec(6));
      } else {
        vaddps(Vec(kSums + j), Vec(kSums + j), Vec(6));
      }
    });
    reduce([&](const Xbyak::Xmm& a, const Xbyak::Xmm& b) { vaddps(a, a, b); });
    Xbyak::Label divide;
    Xbyak::Label scale;
    test(edx, edx);
    jz(divide);
    vxorps(xmm6, xmm6, xmm6);
    vmulss(xmm2, xmm2, xmm6);  // 0, or NaN if an x is
    jmp(scale);
    L(divide);
    vmovss(xmm6, ptr[rip + table_ + kOne * kStep]);
    vdivss(xmm2, xmm6, xmm2);
    L(scale);
    vbroadcastss(Vec(2), xmm2);
    each([&](int, int offset, bool masked) {
      if (masked) {
        load(Vec(6), ptr[rdi + rax + offset], true);
        vmulps(Vec(6), Vec(6), Vec(2));
      } else {
        vmulps(Vec(6), Vec(2), ptr[rdi + rax + offset]);
      }
      store(ptr[rdi + rax + offset], Vec(6), masked);
    });
    vzeroupper();
    ret();
    write_constants();
  }

 private:
  static constexpr int kLanes = Vec::kLanes;
  static constexpr int kBytes = Vec::kBytes;
  static constexpr int kUnroll = 4;
  static constexpr int kSums = 2;                     // registers 2 .. 5
  static constexpr int kStep = kLanes == 8 ? 32 : 4;  // of the table: AVX2 has no operand that broadcasts

  // AVX-512 keeps all constants in registers 16 .. 26, AVX2 the one that cannot be a memory
  // operand.
  void load_constants() {
    if constexpr (kLanes == 16) {
      for (int k = kFloor; k <= kOne; ++k) {
        vbroadcastss(Vec(16 + k), constant(k));
      }
    } else {
      vmovups(ymm14, ptr[rip + table_ + kFloor * kStep]);
    }
    load_mask(Vec(15));
  }

  Xbyak::Address constant(int k) { return ptr[rip + table_ + k * kStep]; }

  auto operand(int k) {
    if constexpr (kLanes == 16) {
      return Vec(16 + k);
    } else {
      return constant(k);
    }
  }

  void write_constants() {
    align(32);
    L(table_);
    for (const float value : kExpValues) {
      write(value, kStep / 4);
    }
    if (rest_ != 0) {
      write_mask<Vec>();
    }
  }

  // body(j, offset, masked) over the whole row; rax + offset is where, j the accumulator.
  template <class Body>
  void each(Body body) {
    xor_(eax, eax);
    if (rounds_ > 0) {
      Xbyak::Label loop;
      align(32);
      L(loop);
      for (int j = 0; j < kUnroll; ++j) {
        body(j, j * kBytes, false);
      }
      add(rax, kUnroll * kBytes);
      cmp(rax, rcx);
      jb(loop, T_NEAR);
    }
    for (int j = 0; j < vectors_; ++j) {
      body(j, j * kBytes, false);
    }
    if (rest_ != 0) {
      body(vectors_, vectors_ * kBytes, true);
    }
  }

  // Register 6 := 2^64 * e^(register 6), in 7 to 9. 2^64 keeps every result normal: the last
  // product, by 2^-64 over the sum, is the one that may be subnormal.
  void exponential() {
    const Vec z(6);
    const Vec a(7);
    const Vec b(8);
    const Vec c(9);
    vmaxps(z, Vec(kLanes == 16 ? 16 + kFloor : 14), z);  // in this order a NaN in z stays
    vmovaps(a, operand(kShift));
    vfmadd231ps(a, z, operand(kLog2e));
    vsubps(b, a, operand(kShift));
    vpslld(a, a, 23);
    vfnmadd231ps(z, b, operand(kLn2High));
    vfnmadd231ps(z, b, operand(kLn2Low));
    vmovaps(b, operand(kP4));
    vfmadd213ps(b, z, operand(kP3));
    vfmadd213ps(b, z, operand(kP2));
    vfmadd213ps(b, z, operand(kP1));
    vfmadd213ps(b, z, operand(kP0));
    vmulps(c, z, z);
    vfmadd213ps(b, c, z);
    vaddps(b, b, operand(kOne));
    vmulps(z, b, a);
  }

  // Registers 2 .. 5 into the lowest lane of 2.
  template <class Combine>
  void reduce(Combine combine) {
    combine(Vec(2), Vec(3));
    combine(Vec(4), Vec(5));
    combine(Vec(2), Vec(4));
    if constexpr (kLanes == 16) {
      vextractf64x4(ymm3, zmm2, 1);
      combine(ymm2, ymm3);
    }
    vextractf128(xmm3, ymm2, 1);
    combine(xmm2, xmm3);
    vmovhlps(xmm3, xmm2, xmm2);
    combine(xmm2, xmm3);
    vmovshdup(xmm3, xmm2);
    combine(xmm2, xmm3);
  }

  const size_t rounds_;
  const int vectors_;
  const Vec scale_{0};
  const Vec max_{1};
  Xbyak::Label table_;
};

}  // namespace
