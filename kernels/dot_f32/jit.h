#pragma once
#include <xbyak/xbyak.h>

#include "kernels/dot_f32/kernel.h"

// What the generators share. All is local to the file that includes it.
namespace {

// Code for one n: the trip count is a constant, no loop where eight vectors or fewer suffice, and the remainder is
// straight-line. Arguments: rdi = x, rsi = y; n is not read.
template <class Vec>
class Generator : public Xbyak::CodeGenerator {
 public:
  Generator(void* code, size_t capacity, size_t n) : CodeGenerator(capacity, code) {
    constexpr size_t kLanes = Vec::kLanes;
    const size_t vectors = n / kLanes;
    const size_t rest = n % kLanes;
    const int sums = static_cast<int>(vectors < 8 ? (vectors == 0 ? 1 : vectors) : 8);
    for (int j = 0; j < sums; ++j) {
      zero(j);
    }
    const size_t rounds = vectors / 8;
    if (rounds > 1) {
      mov(rax, rounds);
      align(32);
      Xbyak::Label loop;
      L(loop);
      for (int j = 0; j < 8; ++j) {
        step(j, j * 4 * static_cast<int>(kLanes));
      }
      add(rdi, static_cast<int>(8 * 4 * kLanes));
      add(rsi, static_cast<int>(8 * 4 * kLanes));
      dec(rax);
      jnz(loop, T_NEAR);
    } else if (rounds == 1) {
      for (int j = 0; j < 8; ++j) {
        step(j, j * 4 * static_cast<int>(kLanes));
      }
      add(rdi, static_cast<int>(8 * 4 * kLanes));
      add(rsi, static_cast<int>(8 * 4 * kLanes));
    }
    const int tail_vectors = static_cast<int>(vectors % 8);
    for (int j = 0; j < tail_vectors; ++j) {
      step(j, j * 4 * static_cast<int>(kLanes));
    }
    if (rest != 0) {
      partial(rest, tail_vectors * 4 * static_cast<int>(kLanes));
    }
    for (int width = sums; width > 1; width = (width + 1) / 2) {
      for (int j = (width + 1) / 2; j < width; ++j) {
        const int to = j - (width + 1) / 2;
        vaddps(Vec(to), Vec(to), Vec(j));
      }
    }
    if constexpr (kLanes == 16) {
      vextractf64x4(ymm1, zmm0, 1);
      vaddps(ymm0, ymm0, ymm1);
    }
    vextractf128(xmm1, ymm0, 1);
    vaddps(xmm0, xmm0, xmm1);
    vmovhlps(xmm1, xmm0, xmm0);
    vaddps(xmm0, xmm0, xmm1);
    vmovshdup(xmm1, xmm0);
    vaddss(xmm0, xmm0, xmm1);
    vzeroupper();
    ret();
    if constexpr (kLanes == 8) {
      if (rest != 0) {
        align(32);
        L(mask_);
        for (size_t i = 0; i < 8; ++i) {
          dd(i < rest ? 0xffffffffu : 0u);
        }
      }
    }
  }

 private:
  void zero(int j) { vxorps(Xbyak::Xmm(j), Xbyak::Xmm(j), Xbyak::Xmm(j)); }

  void step(int j, int offset) {
    vmovups(Vec(8 + j), ptr[rdi + offset]);
    vfmadd231ps(Vec(j), Vec(8 + j), ptr[rsi + offset]);
  }

  void partial(size_t rest, int offset) {
    if constexpr (Vec::kLanes == 16) {
      mov(eax, (1u << rest) - 1);
      kmovw(k1, eax);
      vmovups(zmm8 | k1 | T_z, ptr[rdi + offset]);
      vmovups(zmm9 | k1 | T_z, ptr[rsi + offset]);
      vfmadd231ps(zmm0, zmm8, zmm9);
    } else {
      vmovups(ymm10, ptr[rip + mask_]);
      vmaskmovps(ymm8, ymm10, ptr[rdi + offset]);
      vmaskmovps(ymm9, ymm10, ptr[rsi + offset]);
      vfmadd231ps(ymm0, ymm8, ymm9);
    }
  }

  Xbyak::Label mask_;
};

struct Ymm : Xbyak::Ymm {
  static constexpr size_t kLanes = 8;
  using Xbyak::Ymm::Ymm;
};
struct Zmm : Xbyak::Zmm {
  static constexpr size_t kLanes = 16;
  using Xbyak::Zmm::Zmm;
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
