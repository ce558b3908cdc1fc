#pragma once
#include "kernels/shared/jit_softcap.h"
#include "kernels/softcap_f32/kernel.h"

namespace {

// Code for one n: a constant trip count, then straight-line code for what is left. Arguments: rdi = y, rsi = x, xmm0 = c; n is not read.
template <class Vec>
class Generator : public SoftcapGenerator {
 public:
  Generator(void* code, size_t capacity, size_t n) : SoftcapGenerator(code, capacity, n % Vec::kLanes) {
    const size_t vectors = n / Vec::kLanes;
    if (n != 0) {
      prepare_softcap<Vec>();
    }
    repeat(vectors / kSoftcapVectors, [&] { step(kSoftcapVectors); });
    if (const int tail = static_cast<int>(vectors % kSoftcapVectors); tail > 0) {
      step(tail);
    }
    if (rest_ != 0) {
      load_mask(Vec(15));
      load(Vec(0), ptr[rsi], true);
      softcap<Vec>(1);
      store(ptr[rdi], Vec(0), true);
    }
    vzeroupper();
    ret();
    if (n != 0) {
      write_softcap<Vec>();
      if (rest_ != 0) {
        write_mask<Vec>();
      }
    }
  }

 private:
  void step(int count) {
    each(count, [&](int j) { vmovups(Vec(j), ptr[rsi + j * Vec::kBytes]); });
    softcap<Vec>(count);
    each(count, [&](int j) { vmovups(ptr[rdi + j * Vec::kBytes], Vec(j)); });
    add(rsi, count * Vec::kBytes);
    add(rdi, count * Vec::kBytes);
  }
};

}  // namespace
