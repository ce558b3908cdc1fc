#pragma once
#include "kernels/residual_ffn_f32/kernel.h"
#include "kernels/shared/jit_elementwise.h"

namespace {

// z = (a + b) + b * w; the inputs are vectors 0 to 2, the result is vector 0.
template <class Vec>
class Generator : public Elementwise<Vec> {
 public:
  Generator(void* code, size_t capacity, size_t n) : Elementwise<Vec>(code, capacity, n, 3, combine) {}

 private:
  static void combine(Xbyak::CodeGenerator& g) {
    g.vaddps(Vec(0), Vec(0), Vec(1));
    g.vfmadd231ps(Vec(0), Vec(1), Vec(2));
  }
};

}  // namespace
