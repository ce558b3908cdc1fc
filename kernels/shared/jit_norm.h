// What the generators of norms share: sums over a row, which may be that of two, and results of it, for one n: constant trip counts, then
// straight-line code for what is left.
#pragma once
#include "kernels/shared/jit.h"

namespace {

class NormGenerator : public VectorGenerator {
 protected:
  NormGenerator(void* code, size_t capacity, size_t n, size_t lanes)
      : VectorGenerator(code, capacity, n % lanes), n_(n), vectors_(n / lanes) {}

  // xmm0 = the sum of what `see` adds to the sums, registers 0 to 7, for each vector of the row at rsi: see(to, register, offset, masked)
  // with the sum's number and a register that is free; the vector lies at r10 + offset. The pointers go along with r10.
  template <class Vec, class See>
  void sum_row(std::initializer_list<Xbyak::Reg64> pointers, See&& see) {
    const int sums = static_cast<int>(vectors_ < kSums ? (vectors_ == 0 ? 1 : vectors_) : kSums);
    for (int j = 0; j < sums; ++j) {
      vxorps(Xbyak::Xmm(j), Xbyak::Xmm(j), Xbyak::Xmm(j));
    }
    mov(r10, rsi);
    repeat(vectors_ / kSums, [&] {
      for (int j = 0; j < static_cast<int>(kSums); ++j) {
        see(j, Vec(8 + j % 4), j * Vec::kBytes, false);
      }
      add(r10, static_cast<int>(kSums) * Vec::kBytes);
      for (const auto& pointer : pointers) {
        add(pointer, static_cast<int>(kSums) * Vec::kBytes);
      }
    });
    const int tail = static_cast<int>(vectors_ % kSums);
    for (int j = 0; j < tail; ++j) {
      see(j, Vec(8 + j % 4), j * Vec::kBytes, false);
    }
    if (rest_ != 0) {
      see(0, Vec(8), tail * Vec::kBytes, true);
    }
    add_up<Vec>(sums);
  }

  // t = the vectors of x and the residual at rdx and rcx, added, which is written to the row at r10. Takes register 13.
  template <class Vec>
  void add_residual(const Vec& t, int offset, bool masked) {
    load(t, ptr[rdx + offset], masked);
    if (masked) {
      load(Vec(13), ptr[rcx + offset], true);
      vaddps(t, t, Vec(13));
    } else {
      vaddps(t, t, ptr[rcx + offset]);
    }
    store(ptr[r10 + offset], t, masked);
  }

  // xmm0 = its mean over the row.
  void divide_by_count() { vdivss(xmm0, xmm0, ptr[rip + count_]); }

  // scale = 1 / sqrt(xmm0 + xmm15), in all lanes.
  template <class Vec>
  void take_root(const Vec& scale) {
    vaddss(xmm0, xmm0, xmm15);
    vsqrtss(xmm0, xmm0, xmm0);
    vmovss(xmm1, ptr[rip + one_]);
    vdivss(xmm0, xmm1, xmm0);
    vbroadcastss(scale, xmm0);
  }

  // result(j, masked) for each vector j of a round, at the pointers.
  template <class Vec, class Result>
  void each_result(std::initializer_list<Xbyak::Reg64> pointers, Result&& result) {
    repeat(vectors_ / kResults, [&] {
      for (int j = 0; j < static_cast<int>(kResults); ++j) {
        result(j, false);
      }
      for (const auto& pointer : pointers) {
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

  // Behind the code.
  template <class Vec>
  void write_constants() {
    align(32);
    write_mask<Vec>();
    L(count_);
    write(static_cast<float>(n_));
    L(one_);
    write(1);
  }

 private:
  static constexpr size_t kSums = 8;     // two additions or FMAs a cycle times a latency of four
  static constexpr size_t kResults = 4;  // vectors of y in one round

  const size_t n_;
  const size_t vectors_;
  Xbyak::Label count_, one_;
};

}  // namespace
