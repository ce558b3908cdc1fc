#pragma once
#include <type_traits>

#include "kernels/shared/jit_norm.h"

namespace {

// Code for one n, and the mask in the code.
// Arguments: rdi = y, rsi = x, rdx = w, rcx = b, xmm0 = eps; n is not read. Where a residual is added first they are in a structure,
// Arguments, and are taken so: rdi = y, rsi = sum, rdx = x, rcx = residual, r8 = w, r9 = b, xmm0 = eps.
template <class Vec, class Arguments = void>
class Generator : public NormGenerator {
 public:
  Generator(void* code, size_t capacity, size_t n) : NormGenerator(code, capacity, n, Vec::kLanes) {
    if (n == 0) {
      ret();
      return;
    }
    if constexpr (kAdds) {
      const auto member = [&](size_t offset) { return ptr[rdi + static_cast<int>(offset)]; };
      mov(rsi, member(offsetof(Arguments, sum)));
      mov(rdx, member(offsetof(Arguments, x)));
      mov(rcx, member(offsetof(Arguments, residual)));
      mov(r8, member(offsetof(Arguments, w)));
      mov(r9, member(offsetof(Arguments, b)));
      vmovss(xmm0, member(offsetof(Arguments, eps)));
      mov(rdi, member(offsetof(Arguments, y)));
    }
    vmovaps(xmm15, xmm0);  // eps
    load_mask(Vec(14));
    sum();
    if (kAdds) {
      mov(rdx, r8);
      mov(rcx, r9);
    }
    divide_by_count();
    vbroadcastss(mean_, xmm0);
    sum_row<Vec>({}, [&](int to, const Vec& t, int offset, bool masked) { add_square(to, t, offset, masked); });
    divide_by_count();
    take_root(scale_);
    each_result<Vec>({rdi, rsi, rdx, rcx}, [&](int j, bool masked) { result(j, masked); });
    vzeroupper();
    ret();
    write_constants<Vec>();
  }

 private:
  static constexpr bool kAdds = !std::is_void_v<Arguments>;

  // xmm0 = the sum of x.
  void sum() {
    if (kAdds) {
      sum_row<Vec>({rdx, rcx}, [&](int to, const Vec& t, int offset, bool masked) {
        add_residual(t, offset, masked);
        vaddps(Vec(to), Vec(to), t);
      });
      return;
    }
    sum_row<Vec>({}, [&](int to, const Vec& t, int offset, bool masked) {
      if (masked) {
        load(t, ptr[r10 + offset], true);
        vaddps(Vec(to), Vec(to), t);
      } else {
        vaddps(Vec(to), Vec(to), ptr[r10 + offset]);
      }
    });
  }

  // Sum number `to` += (x - mean)^2 of the vector at r10 + offset.
  void add_square(int to, const Vec& t, int offset, bool masked) {
    load(t, ptr[r10 + offset], masked);
    if (!masked) {
      vsubps(t, t, mean_);
    } else if constexpr (Vec::kWide) {  // lanes that are not there would count as 0 - mean
      vsubps(t | k1 | T_z, t, mean_);
    } else {
      vsubps(t, t, mean_);
      vandps(t, t, ymm14);
    }
    vfmadd231ps(Vec(to), t, t);
  }

  // Vector j of the round at rdi, rsi, rdx, rcx.
  void result(int j, bool masked) {
    const Vec z(j);
    const Vec t(4 + j);
    const int offset = j * Vec::kBytes;
    load(z, ptr[rsi + offset], masked);
    load(t, ptr[rdx + offset], masked);
    vsubps(z, z, mean_);
    vmulps(z, z, scale_);
    if (masked) {
      load(Vec(8), ptr[rcx + offset], true);
      vfmadd213ps(z, t, Vec(8));
    } else {
      vfmadd213ps(z, t, ptr[rcx + offset]);
    }
    store(ptr[rdi + offset], z, masked);
  }

  const Vec mean_{13}, scale_{12};
};

}  // namespace
