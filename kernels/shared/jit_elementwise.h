#pragma once
#include "kernels/shared/jit.h"

namespace {

// z = f(inputs), element by element, for one n: a constant trip count, then straight-line code for what is left.
// Arguments: rdi = z, the inputs in rsi, rdx and rcx; n is not read.
template <class Vec>
class Elementwise : public VectorGenerator {
 public:
  // `combine` emits what makes vector 0 of the inputs' vectors 0, 1 and 2. A float argument is in all lanes of vector 14.
  Elementwise(void* code, size_t capacity, size_t n, int inputs, void (*combine)(Xbyak::CodeGenerator& g),
              bool has_float = false)
      : VectorGenerator(code, capacity, n % Vec::kLanes), inputs_(inputs), combine_(combine) {
    const size_t vectors = n / Vec::kLanes;
    if (has_float) {
      vbroadcastss(Vec(14), xmm0);
    }
    load_mask(Vec(15));
    const auto round = [&] {
      for (int j = 0; j < kUnroll; ++j) {
        step(j * Vec::kBytes, false);
      }
      add(rdi, kUnroll * Vec::kBytes);
      for (int i = 0; i < inputs; ++i) {
        add(input(i), kUnroll * Vec::kBytes);
      }
    };
    repeat(vectors / kUnroll, round, T_AUTO);
    const int tail = static_cast<int>(vectors % kUnroll);
    for (int j = 0; j < tail; ++j) {
      step(j * Vec::kBytes, false);
    }
    if (rest_ != 0) {
      step(tail * Vec::kBytes, true);
    }
    vzeroupper();
    ret();
    if (rest_ != 0) {
      write_mask<Vec>();
    }
  }

 private:
  static constexpr int kUnroll = 4;

  Xbyak::Reg64 input(int i) const { return i == 0 ? rsi : i == 1 ? rdx : rcx; }

  void step(int offset, bool masked) {
    for (int i = 0; i < inputs_; ++i) {
      load(Vec(i), ptr[input(i) + offset], masked);
    }
    combine_(*this);
    store(ptr[rdi + offset], Vec(0), masked);
  }

  const int inputs_;
  void (*const combine_)(Xbyak::CodeGenerator& g);
};

}  // namespace
