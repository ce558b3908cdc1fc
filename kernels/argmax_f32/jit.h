#pragma once
#include "kernels/argmax_f32/kernel.h"
#include "kernels/shared/jit.h"

namespace {

// Code for one n. Arguments: rdi = x; n is not read.
template <class Vec>
class Generator : public VectorGenerator {
 public:
  Generator(void* code, size_t capacity, size_t n) : VectorGenerator(code, capacity, n % Vec::kLanes) {
    const size_t vectors = n / Vec::kLanes;
    Xbyak::Label infinity;
    for (int j = 0; j < kSums; ++j) {
      vbroadcastss(Vec(j), ptr[rip + infinity]);
    }
    load_mask(Vec(15));
    mov(rsi, rdi);
    repeat(vectors / kSums, [&] {
      for (int j = 0; j < kSums; ++j) {
        see(j, j);
      }
      add(rsi, kSums * Vec::kBytes);
    });
    const int tail = static_cast<int>(vectors % kSums);
    for (int j = 0; j < tail; ++j) {
      see(j, j);
    }
    if (rest_ != 0) {
      load(Vec(8), ptr[rsi + tail * Vec::kBytes], true);
      if constexpr (Vec::kWide) {
        vmaxps(Vec(0) | k1, Vec(8), Vec(0));
      } else {
        vbroadcastss(Vec(9), ptr[rip + infinity]);
        vblendvps(Vec(8), Vec(9), Vec(8), Vec(15));
        vmaxps(Vec(0), Vec(8), Vec(0));
      }
    }
    spread();
    find(vectors);
    vzeroupper();
    ret();
    align(4);
    L(infinity);
    dd(0xff800000);
    write_mask<Vec>();
  }

 private:
  static constexpr int kSums = 4;

  // VMAXPS gives its second operand where one is a NaN.
  void see(int best, int vector) {
    vmovups(Vec(8), ptr[rsi + vector * Vec::kBytes]);
    vmaxps(Vec(best), Vec(8), Vec(best));
  }

  // The largest into all lanes of vector 0.
  void spread() {
    vmaxps(Vec(0), Vec(0), Vec(1));
    vmaxps(Vec(2), Vec(2), Vec(3));
    vmaxps(Vec(0), Vec(0), Vec(2));
    if constexpr (Vec::kWide) {
      vextractf64x4(ymm1, zmm0, 1);
      vmaxps(ymm0, ymm0, ymm1);
    }
    vextractf128(xmm1, ymm0, 1);
    vmaxps(xmm0, xmm0, xmm1);
    vpermilps(xmm1, xmm0, 0x4e);
    vmaxps(xmm0, xmm0, xmm1);
    vpermilps(xmm1, xmm0, 0xb1);
    vmaxps(xmm0, xmm0, xmm1);
    vbroadcastss(Vec(0), xmm0);
  }

  // edx: the lanes of vector 8 that are the largest; the flags tell whether there are any.
  void compare() {
    if constexpr (Vec::kWide) {
      vcmpps(k2, Vec(8), Vec(0), 0);
      kmovw(edx, k2);
    } else {
      vcmpps(Vec(8), Vec(8), Vec(0), 0);
      vmovmskps(edx, Vec(8));
    }
    test(edx, edx);
  }

  void find(size_t vectors) {
    Xbyak::Label look, found, none;
    mov(rsi, rdi);
    if (vectors != 0) {
      mov(rcx, vectors);
      L(look);
      vmovups(Vec(8), ptr[rsi]);
      compare();
      jnz(found, T_NEAR);
      add(rsi, Vec::kBytes);
      dec(rcx);
      jnz(look);
    }
    if (rest_ != 0) {
      load(Vec(8), ptr[rsi], true);
      compare();  // lanes behind the end are 0: where that is the largest it is found before
      jnz(found, T_NEAR);
    }
    xor_(eax, eax);
    jmp(none);
    L(found);
    tzcnt(edx, edx);
    sub(rsi, rdi);
    shr(rsi, 2);
    lea(rax, ptr[rsi + rdx]);
    L(none);
  }
};

}  // namespace
