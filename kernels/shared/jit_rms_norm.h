#pragma once
#include "kernels/shared/jit.h"

namespace {

// Code for one n: constant trip counts, then straight-line code for what is left, n and the mask in the code.
// Arguments: rdi = y, rsi = x, rdx = w, xmm0 = eps; n is not read. Where a residual is added first: rdi = y, rsi = sum, rdx = x,
// rcx = residual, r8 = w, xmm0 = eps.
template <class Vec, bool kAdds>
class Generator : public VectorGenerator {
 public:
  Generator(void* code, size_t capacity, size_t n)
      : VectorGenerator(code, capacity, n % Vec::kLanes), vectors_(n / Vec::kLanes) {
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
  static constexpr size_t kSums = 8;     // two FMAs a cycle times a latency of four
  static constexpr size_t kResults = 4;  // vectors of y in one round

  // xmm0 = the sum of x^2.
  void sum_squares() {
    const int sums = static_cast<int>(vectors_ < kSums ? (vectors_ == 0 ? 1 : vectors_) : kSums);
    for (int j = 0; j < sums; ++j) {
      vxorps(Xbyak::Xmm(j), Xbyak::Xmm(j), Xbyak::Xmm(j));
    }
    mov(r10, rsi);
    repeat(vectors_ / kSums, [&] {
      for (int j = 0; j < static_cast<int>(kSums); ++j) {
        add_square(j);
      }
      add(r10, static_cast<int>(kSums) * Vec::kBytes);
      if (kAdds) {
        add(rdx, static_cast<int>(kSums) * Vec::kBytes);
        add(rcx, static_cast<int>(kSums) * Vec::kBytes);
      }
    });
    const int tail = static_cast<int>(vectors_ % kSums);
    for (int j = 0; j < tail; ++j) {
      add_square(j);
    }
    if (rest_ != 0) {
      const Vec t(8);
      load_row(t, tail * Vec::kBytes, true);
      vfmadd231ps(Vec(0), t, t);
    }
    add_up<Vec>(sums);
  }

  // Vector j of the round at r10, into sum j.
  void add_square(int j) {
    const Vec t(8 + j % 4);
    load_row(t, j * Vec::kBytes, false);
    vfmadd231ps(Vec(j), t, t);
  }

  // A vector of the row at r10 + offset, where it is written if it is a sum.
  void load_row(const Vec& t, int offset, bool masked) {
    if (!kAdds) {
      load(t, ptr[r10 + offset], masked);
      return;
    }
    load(t, ptr[rdx + offset], masked);
    if (masked) {
      load(Vec(13), ptr[rcx + offset], true);
      vaddps(t, t, Vec(13));
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
      for (const auto& pointer : {rdi, rsi, rdx}) {
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

  const size_t vectors_;
  const Vec scale_{12};
  Xbyak::Label count_, one_;
};

}  // namespace
