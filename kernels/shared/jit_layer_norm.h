#pragma once
#include <type_traits>

#include "kernels/shared/jit.h"

namespace {

// Code for one n: constant trip counts, then straight-line code for what is left, n and the mask in the code.
// Arguments: rdi = y, rsi = x, rdx = w, rcx = b, xmm0 = eps; n is not read. Where a residual is added first they are in a structure,
// Arguments, and are taken so: rdi = y, rsi = sum, rdx = x, rcx = residual, r8 = w, r9 = b, xmm0 = eps.
template <class Vec, class Arguments = void>
class Generator : public VectorGenerator {
 public:
  Generator(void* code, size_t capacity, size_t n)
      : VectorGenerator(code, capacity, n % Vec::kLanes), vectors_(n / Vec::kLanes) {
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
    sweep(false);
    if (kAdds) {
      mov(rdx, r8);
      mov(rcx, r9);
    }
    vdivss(xmm0, xmm0, ptr[rip + count_]);
    vbroadcastss(mean_, xmm0);
    sweep(true);
    vdivss(xmm0, xmm0, ptr[rip + count_]);
    vaddss(xmm0, xmm0, xmm15);
    vsqrtss(xmm0, xmm0, xmm0);
    vmovss(xmm1, ptr[rip + one_]);
    vdivss(xmm0, xmm1, xmm0);
    vbroadcastss(scale_, xmm0);
    normalise();
    vzeroupper();
    ret();
    align(32);
    write_mask<Vec>();
    L(count_);
    write(static_cast<float>(n));
    L(one_);
    write(1);
  }

 private:
  static constexpr bool kAdds = !std::is_void_v<Arguments>;
  static constexpr size_t kSums = 8;     // two additions or FMAs a cycle times a latency of four
  static constexpr size_t kResults = 4;  // vectors of y in one round

  // xmm0 = the sum of x, or of (x - mean)^2.
  void sweep(bool squares) {
    const int sums = static_cast<int>(vectors_ < kSums ? (vectors_ == 0 ? 1 : vectors_) : kSums);
    for (int j = 0; j < sums; ++j) {
      vxorps(Xbyak::Xmm(j), Xbyak::Xmm(j), Xbyak::Xmm(j));
    }
    mov(r10, rsi);
    repeat(vectors_ / kSums, [&] {
      for (int j = 0; j < static_cast<int>(kSums); ++j) {
        accumulate(j, squares);
      }
      add(r10, static_cast<int>(kSums) * Vec::kBytes);
      if (kAdds && !squares) {
        add(rdx, static_cast<int>(kSums) * Vec::kBytes);
        add(rcx, static_cast<int>(kSums) * Vec::kBytes);
      }
    });
    const int tail = static_cast<int>(vectors_ % kSums);
    for (int j = 0; j < tail; ++j) {
      accumulate(j, squares);
    }
    if (rest_ != 0) {
      const Vec t(8);
      if (kAdds && !squares) {
        add_residual(t, tail * Vec::kBytes, true);
      } else {
        load(t, ptr[r10 + tail * Vec::kBytes], true);
      }
      if (squares) {  // lanes that are not there would count as 0 - mean
        if constexpr (Vec::kWide) {
          vsubps(t | k1 | T_z, t, mean_);
        } else {
          vsubps(t, t, mean_);
          vandps(t, t, ymm14);
        }
        vfmadd231ps(Vec(0), t, t);
      } else {
        vaddps(Vec(0), Vec(0), t);
      }
    }
    add_up<Vec>(sums);
  }

  // Vector j of the round at r10, into sum j.
  void accumulate(int j, bool squares) {
    if (squares) {
      const Vec t(8 + j % 4);
      vmovups(t, ptr[r10 + j * Vec::kBytes]);
      vsubps(t, t, mean_);
      vfmadd231ps(Vec(j), t, t);
    } else if (kAdds) {
      const Vec t(8 + j % 4);
      add_residual(t, j * Vec::kBytes, false);
      vaddps(Vec(j), Vec(j), t);
    } else {
      vaddps(Vec(j), Vec(j), ptr[r10 + j * Vec::kBytes]);
    }
  }

  // A vector of x and the residual, at rdx and rcx, added and written to r10 + offset.
  void add_residual(const Vec& t, int offset, bool masked) {
    load(t, ptr[rdx + offset], masked);
    if (masked) {
      load(Vec(12), ptr[rcx + offset], true);
      vaddps(t, t, Vec(12));
    } else {
      vaddps(t, t, ptr[rcx + offset]);
    }
    store(ptr[r10 + offset], t, masked);
  }

  void normalise() {
    repeat(vectors_ / kResults, [&] {
      for (int j = 0; j < static_cast<int>(kResults); ++j) {
        result(j, false);
      }
      for (const auto& pointer : {rdi, rsi, rdx, rcx}) {
        add(pointer, static_cast<int>(kResults) * Vec::kBytes);
      }
    });
    const int tail = static_cast<int>(vectors_ % kResults);
    for (int j = 0; j < tail; ++j) {
      result(j, false);
    }
    if (rest_ != 0) {
      result(tail, true);
    }
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

  const size_t vectors_;
  const Vec mean_{13}, scale_{12};
  Xbyak::Label count_, one_;
};

}  // namespace
