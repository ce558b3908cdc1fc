#pragma once
#include <xbyak/xbyak.h>

#include "kernels/add_f32/kernel.h"

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

// Code for one n: a constant trip count, then straight-line code for what is left.
// Arguments: rdi = z, rsi = x, rdx = y; n is not read.
template <class Vec>
class Generator : public Xbyak::CodeGenerator {
 public:
  Generator(void* code, size_t capacity, size_t n) : CodeGenerator(capacity, code) {
    const size_t rest = n % Vec::kLanes;
    const size_t vectors = n / Vec::kLanes;
    if (rest != 0) {
      if constexpr (Vec::kLanes == 16) {
        mov(eax, (1u << rest) - 1);
        kmovw(k1, eax);
      } else {
        vmovups(ymm15, ptr[rip + mask_]);
      }
    }
    if (const size_t rounds = vectors / kUnroll; rounds > 0) {
      Xbyak::Label loop;
      mov(rax, rounds);
      align(32);
      L(loop);
      for (int j = 0; j < kUnroll; ++j) {
        step(j * kBytes, false);
      }
      add(rdi, kUnroll * kBytes);
      add(rsi, kUnroll * kBytes);
      add(rdx, kUnroll * kBytes);
      dec(rax);
      jnz(loop);
    }
    const int tail = static_cast<int>(vectors % kUnroll);
    for (int j = 0; j < tail; ++j) {
      step(j * kBytes, false);
    }
    if (rest != 0) {
      step(tail * kBytes, true);
    }
    vzeroupper();
    ret();
    if (Vec::kLanes == 8 && rest != 0) {
      align(32);
      L(mask_);
      for (size_t i = 0; i < 8; ++i) {
        dd(i < rest ? 0xffffffffu : 0u);
      }
    }
  }

 private:
  static constexpr int kUnroll = 4;
  static constexpr int kBytes = 4 * Vec::kLanes;

  void step(int offset, bool masked) {
    load(Vec(0), rsi, offset, masked);
    load(Vec(1), rdx, offset, masked);
    vaddps(Vec(0), Vec(0), Vec(1));
    store(rdi, Vec(0), offset, masked);
  }

  void load(const Vec& v, const Xbyak::Reg64& base, int offset, bool masked) {
    if (!masked) {
      vmovups(v, ptr[base + offset]);
    } else if constexpr (Vec::kLanes == 16) {
      vmovups(v | k1 | T_z, ptr[base + offset]);
    } else {
      vmaskmovps(v, ymm15, ptr[base + offset]);
    }
  }

  void store(const Xbyak::Reg64& base, const Vec& v, int offset, bool masked) {
    if (!masked) {
      vmovups(ptr[base + offset], v);
    } else if constexpr (Vec::kLanes == 16) {
      vmovups(ptr[base + offset] | k1, v);
    } else {
      vmaskmovps(ptr[base + offset], ymm15, v);
    }
  }

  Xbyak::Label mask_;
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
