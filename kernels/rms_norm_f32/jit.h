#pragma once
#include <stdint.h>
#include <string.h>
#include <xbyak/xbyak.h>

#include "kernels/rms_norm_f32/kernel.h"

// What the generators share. All is local to the file that includes it.
namespace {

struct Ymm : Xbyak::Ymm {
  static constexpr int kLanes = 8;
  using Xbyak::Ymm::Ymm;
};
struct Zmm : Xbyak::Zmm {
  static constexpr int kLanes = 16;
  using Xbyak::Zmm::Zmm;
};

// Code for one n: constant trip counts, then straight-line code for what is left, n and the mask in the code.
// Arguments: rdi = y, rsi = x, rdx = w, xmm0 = eps; n is not read.
template <class Vec>
class Generator : public Xbyak::CodeGenerator {
 public:
  Generator(void* code, size_t capacity, size_t n)
      : CodeGenerator(capacity, code), vectors_(n / Vec::kLanes), rest_(n % Vec::kLanes) {
    if (n == 0) {
      ret();
      return;
    }
    vmovaps(xmm15, xmm0);  // eps
    if (rest_ != 0) {
      if constexpr (Vec::kLanes == 16) {
        mov(eax, (1u << rest_) - 1);
        kmovw(k1, eax);
      } else {
        vmovups(ymm14, ptr[rip + mask_]);
      }
    }
    sum_squares();
    vdivss(xmm0, xmm0, ptr[rip + count_]);
    vaddss(xmm0, xmm0, xmm15);
    vsqrtss(xmm0, xmm0, xmm0);
    vmovss(xmm1, ptr[rip + one_]);
    vdivss(xmm0, xmm1, xmm0);
    vbroadcastss(scale_, xmm0);
    normalise();
    vzeroupper();
    ret();
    align(32);
    L(mask_);
    for (size_t i = 0; i < 8 && Vec::kLanes == 8; ++i) {
      dd(i < rest_ ? 0xffffffffu : 0u);
    }
    L(count_);
    dd(bits_of(static_cast<float>(n)));
    L(one_);
    dd(bits_of(1.0f));
  }

 private:
  static constexpr int kBytes = 4 * Vec::kLanes;
  static constexpr size_t kSums = 8;     // two FMAs a cycle times a latency of four
  static constexpr size_t kResults = 4;  // vectors of y in one round

  static uint32_t bits_of(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
  }

  // xmm0 = the sum of x^2.
  void sum_squares() {
    const int sums = static_cast<int>(vectors_ < kSums ? (vectors_ == 0 ? 1 : vectors_) : kSums);
    for (int j = 0; j < sums; ++j) {
      vxorps(Xbyak::Xmm(j), Xbyak::Xmm(j), Xbyak::Xmm(j));
    }
    mov(r10, rsi);
    if (const size_t rounds = vectors_ / kSums; rounds > 0) {
      Xbyak::Label loop;
      mov(rax, rounds);
      align(32);
      L(loop);
      for (int j = 0; j < static_cast<int>(kSums); ++j) {
        add_square(j);
      }
      add(r10, static_cast<int>(kSums) * kBytes);
      dec(rax);
      jnz(loop, T_NEAR);
    }
    const int tail = static_cast<int>(vectors_ % kSums);
    for (int j = 0; j < tail; ++j) {
      add_square(j);
    }
    if (rest_ != 0) {
      const Vec t(8);
      load(t, r10, tail * kBytes);
      vfmadd231ps(Vec(0), t, t);
    }
    for (int width = sums; width > 1; width = (width + 1) / 2) {
      for (int j = (width + 1) / 2; j < width; ++j) {
        const int to = j - (width + 1) / 2;
        vaddps(Vec(to), Vec(to), Vec(j));
      }
    }
    if constexpr (Vec::kLanes == 16) {
      vextractf64x4(ymm1, zmm0, 1);
      vaddps(ymm0, ymm0, ymm1);
    }
    vextractf128(xmm1, ymm0, 1);
    vaddps(xmm0, xmm0, xmm1);
    vmovhlps(xmm1, xmm0, xmm0);
    vaddps(xmm0, xmm0, xmm1);
    vmovshdup(xmm1, xmm0);
    vaddss(xmm0, xmm0, xmm1);
  }

  // Vector j of the round at r10, into sum j.
  void add_square(int j) {
    const Vec t(8 + j % 4);
    vmovups(t, ptr[r10 + j * kBytes]);
    vfmadd231ps(Vec(j), t, t);
  }

  void normalise() {
    if (const size_t rounds = vectors_ / kResults; rounds > 0) {
      Xbyak::Label loop;
      mov(rax, rounds);
      align(32);
      L(loop);
      for (int j = 0; j < static_cast<int>(kResults); ++j) {
        result(j, false);
      }
      for (const auto& pointer : {rdi, rsi, rdx}) {
        add(pointer, static_cast<int>(kResults) * kBytes);
      }
      dec(rax);
      jnz(loop, T_NEAR);
    }
    const int tail = static_cast<int>(vectors_ % kResults);
    for (int j = 0; j < tail; ++j) {
      result(j, false);
    }
    if (rest_ != 0) {
      result(tail, true);
    }
  }

  // Vector j of the round at rdi, rsi, rdx.
  void result(int j, bool masked) {
    const Vec z(j);
    const int offset = j * kBytes;
    if (!masked) {
      vmulps(z, scale_, ptr[rsi + offset]);
      vmulps(z, z, ptr[rdx + offset]);
      vmovups(ptr[rdi + offset], z);
      return;
    }
    load(z, rsi, offset);
    load(Vec(8), rdx, offset);
    vmulps(z, z, scale_);
    vmulps(z, z, Vec(8));
    if constexpr (Vec::kLanes == 16) {
      vmovups(ptr[rdi + offset] | k1, z);
    } else {
      vmaskmovps(ptr[rdi + offset], ymm14, z);
    }
  }

  // The first rest_ lanes, 0 in the others.
  void load(const Vec& v, const Xbyak::Reg64& base, int offset) {
    if constexpr (Vec::kLanes == 16) {
      vmovups(v | k1 | T_z, ptr[base + offset]);
    } else {
      vmaskmovps(v, ymm14, ptr[base + offset]);
    }
  }

  size_t vectors_, rest_;
  Vec scale_{12};
  Xbyak::Label mask_, count_, one_;
};

template <class Vec>
size_t generate(void* code, size_t capacity, const size_t* key) {
  try {
    return Generator<Vec>(code, capacity, key[0]).getSize();
  } catch (const Xbyak::Error&) {
    return 0;  // capacity is too small
  }
}

}  // namespace
