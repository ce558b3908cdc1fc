#pragma once
#include <stdint.h>
#include <string.h>
#include <xbyak/xbyak.h>

#include "kernels/layer_norm_f32/kernel.h"

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
// Arguments: rdi = y, rsi = x, rdx = w, rcx = b, xmm0 = eps; n is not read.
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
    sweep(false);
    vdivss(xmm0, xmm0, ptr[rip + count_]);
    vbroadcastss(mean_, xmm0);
    sweep(true);
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
  static constexpr size_t kSums = 8;     // two additions or FMAs a cycle times a latency of four
  static constexpr size_t kResults = 4;  // vectors of y in one round

  static uint32_t bits_of(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
  }

  // xmm0 = the sum of x, or of (x - mean)^2.
  void sweep(bool squares) {
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
        add_up(j, squares);
      }
      add(r10, static_cast<int>(kSums) * kBytes);
      dec(rax);
      jnz(loop, T_NEAR);
    }
    const int tail = static_cast<int>(vectors_ % kSums);
    for (int j = 0; j < tail; ++j) {
      add_up(j, squares);
    }
    if (rest_ != 0) {
      const Vec t(8);
      load(t, r10, tail * kBytes, true);
      if (squares) {  // lanes that are not there would count as 0 - mean
        if constexpr (Vec::kLanes == 16) {
          vsubps(t | k1 | T_z, t, mean_);
        } else {
          vsubps(t, t, mean_);
          vandps(t, t, ymm14);
        }
        vfmadd231ps(Vec(0), t, t);
      } else {
        vaddps(Vec(0), Vec(0), t);
      }
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
  void add_up(int j, bool squares) {
    if (squares) {
      const Vec t(8 + j % 4);
      vmovups(t, ptr[r10 + j * kBytes]);
      vsubps(t, t, mean_);
      vfmadd231ps(Vec(j), t, t);
    } else {
      vaddps(Vec(j), Vec(j), ptr[r10 + j * kBytes]);
    }
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
      for (const auto& pointer : {rdi, rsi, rdx, rcx}) {
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

  // Vector j of the round at rdi, rsi, rdx, rcx.
  void result(int j, bool masked) {
    const Vec z(j);
    const Vec t(4 + j);
    const int offset = j * kBytes;
    load(z, rsi, offset, masked);
    load(t, rdx, offset, masked);
    vsubps(z, z, mean_);
    vmulps(z, z, scale_);
    if (!masked) {
      vfmadd213ps(z, t, ptr[rcx + offset]);
      vmovups(ptr[rdi + offset], z);
      return;
    }
    load(Vec(8), rcx, offset, true);
    vfmadd213ps(z, t, Vec(8));
    if constexpr (Vec::kLanes == 16) {
      vmovups(ptr[rdi + offset] | k1, z);
    } else {
      vmaskmovps(ptr[rdi + offset], ymm14, z);
    }
  }

  void load(const Vec& v, const Xbyak::Reg64& base, int offset, bool masked) {
    if (!masked) {
      vmovups(v, ptr[base + offset]);
    } else if constexpr (Vec::kLanes == 16) {
      vmovups(v | k1 | T_z, ptr[base + offset]);
    } else {
      vmaskmovps(v, ymm14, ptr[base + offset]);
    }
  }

  size_t vectors_, rest_;
  Vec mean_{13}, scale_{12};
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
