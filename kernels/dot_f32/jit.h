#pragma once
#include "kernels/dot_f32/kernel.h"
#include "kernels/shared/jit.h"

namespace {

// Code for one n: the trip count is a constant, no loop where eight vectors or fewer suffice, and the remainder is
// straight-line. Arguments: rdi = x, rsi = y; n is not read.
template <class Vec>
class Generator : public VectorGenerator {
 public:
  Generator(void* code, size_t capacity, size_t n) : VectorGenerator(code, capacity, n % Vec::kLanes) {
    const size_t vectors = n / Vec::kLanes;
    const int sums = static_cast<int>(vectors < 8 ? (vectors == 0 ? 1 : vectors) : 8);
    for (int j = 0; j < sums; ++j) {
      vxorps(Xbyak::Xmm(j), Xbyak::Xmm(j), Xbyak::Xmm(j));
    }
    const auto round = [&] {
      for (int j = 0; j < 8; ++j) {
        step(j);
      }
      add(rdi, 8 * Vec::kBytes);
      add(rsi, 8 * Vec::kBytes);
    };
    if (vectors / 8 == 1) {
      round();
    } else {
      repeat(vectors / 8, round);
    }
    const int tail = static_cast<int>(vectors % 8);
    for (int j = 0; j < tail; ++j) {
      step(j);
    }
    if (rest_ != 0) {
      load_mask(Vec(10));
      load(Vec(8), ptr[rdi + tail * Vec::kBytes], true);
      load(Vec(9), ptr[rsi + tail * Vec::kBytes], true);
      vfmadd231ps(Vec(0), Vec(8), Vec(9));
    }
    add_up<Vec>(sums);
    vzeroupper();
    ret();
    if (rest_ != 0) {
      write_mask<Vec>();
    }
  }

 private:
  void step(int j) {
    vmovups(Vec(8 + j), ptr[rdi + j * Vec::kBytes]);
    vfmadd231ps(Vec(j), Vec(8 + j), ptr[rsi + j * Vec::kBytes]);
  }
};

}  // namespace
