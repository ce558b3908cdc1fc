#pragma once
#include "kernels/shared/jit_norm.h"

namespace {

// Code for one n, and the mask in the code.
// Arguments: rdi = y, rsi = x, rdx = w, xmm0 = eps; n is not read. Where a residual is added first: rdi = y, rsi = sum, rdx = x,
// rcx = residual, r8 = w, xmm0 = eps.
template <class Vec, bool kAdds>
class Generator : public NormGenerator {
 public:
  Generator(void* code, size_t capacity, size_t n) : NormGenerator(code, capacity, n, Vec::kLanes) {
    if (n == 0) {
      ret();
      return;
    }
    vmovaps(xmm15, xmm0);  // eps
    load_mask(Vec(14));
    sum_squares();
    if (kAdds) {
      mov(rdx, r8);
    }
    divide_by_count();
    take_root(scale_);
    each_result<Vec>({rdi, rsi, rdx}, [&](int j, bool masked) { result(j, masked); });
    vzeroupper();
    ret();
    write_constants<Vec>();
  }

 private:
  // xmm0 = the sum of x^2.
  void sum_squares() {
    const auto add_square = [&](int to, const Vec& t, int offset, bool masked) {
      if (kAdds) {
        add_residual(t, offset, masked);
      } else {
        load(t, ptr[r10 + offset], masked);
      }
      vfmadd231ps(Vec(to), t, t);
    };
    if (kAdds) {
      sum_row<Vec>({rdx, rcx}, add_square);
    } else {
      sum_row<Vec>({}, add_square);
    }
  }

  // Vector j of the round at rdi, rsi, rdx.
  void result(int j, bool masked) {
    const Vec z(j);
    const int offset = j * Vec::kBytes;
    if (masked) {
      load(z, ptr[rsi + offset], true);
      load(Vec(8), ptr[rdx + offset], true);
      vmulps(z, z, scale_);
      vmulps(z, z, Vec(8));
    } else {
      vmulps(z, scale_, ptr[rsi + offset]);
      vmulps(z, z, ptr[rdx + offset]);
    }
    store(ptr[rdi + offset], z, masked);
  }

  const Vec scale_{12};
};

}  // namespace
