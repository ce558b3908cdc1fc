#pragma once
#include "kernels/scale_f32/kernel.h"
#include "kernels/shared/jit_elementwise.h"

namespace {

template <class Vec>
class Generator : public Elementwise<Vec> {
 public:
  Generator(void* code, size_t capacity, size_t n) : Elementwise<Vec>(code, capacity, n, 1, combine, true) {}

 private:
  static void combine(Xbyak::CodeGenerator& g) { g.vmulps(Vec(0), Vec(0), Vec(14)); }
};

}  // namespace
