#pragma once
#include "kernels/convert_f16/kernel.h"
#include "kernels/shared/jit.h"

namespace {

// Code for one n. Arguments: rdi = y, rsi = x; n is not read.
template <class Vec>
class Generator : public VectorGenerator {
 public:
  Generator(void* code, size_t capacity, size_t n) : VectorGenerator(code, capacity, n % Vec::kLanes) {
    const size_t vectors = n / Vec::kLanes;
    load_mask(Vec(15));
    repeat(vectors / kUnroll, [&] {
      for (int j = 0; j < kUnroll; ++j) {
        step(j);
      }
      add(rsi, kUnroll * Vec::kBytes);
      add(rdi, kUnroll * Vec::kBytes / 2);
    });
    const int tail = static_cast<int>(vectors % kUnroll);
    for (int j = 0; j < tail; ++j) {
      step(j);
    }
    if (rest_ != 0) {
      load(Vec(0), ptr[rsi + tail * Vec::kBytes], true);
      if constexpr (Vec::kWide) {
        vcvtps2ph(ymm0, zmm0, 0);  // 0: to nearest even
        vmovdqu16(ptr[rdi + tail * Vec::kBytes / 2] | k1, ymm0);
      } else {
        vcvtps2ph(xmm0, ymm0, 0);
        store_rest(tail * Vec::kBytes / 2);
      }
    }
    vzeroupper();
    ret();
    if (rest_ != 0) {
      write_mask<Vec>();
    }
  }

 private:
  static constexpr int kUnroll = 4;

  void step(int j) {
    vmovups(Vec(j), ptr[rsi + j * Vec::kBytes]);
    vcvtps2ph(ptr[rdi + j * Vec::kBytes / 2], Vec(j), 0);
  }

  // There are no masks for words: four, two and one of them.
  void store_rest(int at) {
    if ((rest_ & 4) != 0) {
      vmovq(ptr[rdi + at], xmm0);
      vpsrldq(xmm0, xmm0, 8);
      at += 8;
    }
    if ((rest_ & 2) != 0) {
      vmovd(ptr[rdi + at], xmm0);
      vpsrldq(xmm0, xmm0, 4);
      at += 4;
    }
    if ((rest_ & 1) != 0) {
      vpextrw(ptr[rdi + at], xmm0, 0);
    }
  }
};

}  // namespace
