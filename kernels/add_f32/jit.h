#pragma once
#include "kernels/add_f32/kernel.h"
#include "kernels/shared/jit_elementwise.h"

namespace {

// z = x + y; the inputs are vectors 0 to 1, the result is vector 0.
template <class Vec>
class Generator : public Elementwise<Vec> {
 public:
  Generator(void* code, size_t capacity, size_t n) : Elementwise<Vec>(code, capacity, n, 2, combine) {}

 private:
  static void combine(Xbyak::CodeGenerator& g) { g.vaddps(Vec(0), Vec(0), Vec(1)); }
};

}  // namespace
