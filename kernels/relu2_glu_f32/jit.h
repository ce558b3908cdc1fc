#pragma once
#include "kernels/relu2_glu_f32/kernel.h"
#include "kernels/shared/jit_elementwise.h"

namespace {

// The inputs are vectors 0 and 1, the result is vector 0.
template <class Vec>
class Generator : public Elementwise<Vec> {
 public:
  Generator(void* code, size_t capacity, size_t n) : Elementwise<Vec>(code, capacity, n, 2, combine) {}

 private:
  static void combine(Xbyak::CodeGenerator& g) {
    g.vxorps(Xbyak::Xmm(2), Xbyak::Xmm(2), Xbyak::Xmm(2));
    g.vmaxps(Vec(0), Vec(2), Vec(0));  // the second operand where one is a NaN
    g.vmulps(Vec(0), Vec(0), Vec(0));
    g.vmulps(Vec(0), Vec(0), Vec(1));
  }
};

}  // namespace
