#pragma once
#include "kernels/quantize_i8_s/kernel.h"
#include "kernels/quantize_i8_s/row.h"
#include "kernels/shared/jit_lanes.h"

namespace {

// Code for one n: two loops over groups of 32 values. Arguments: rdi = dst, rsi = x, xmm0 = scale; n is not read.
template <class Vec>
class Generator : public VectorGenerator {
 public:
  Generator(void* code, size_t capacity, size_t n) : VectorGenerator(code, capacity, 0) {
    const size_t groups = n / 32;
    Xbyak::Label not_finite, done;
    vbroadcastss(Vec(14), ptr[rip + magnitude_]);
    for (int j = 0; j < kSums; ++j) {
      vbroadcastss(Vec(1 + j), ptr[rip + least_]);
    }
    mov(rcx, rsi);
    repeat(groups, [&] {
      for (int j = 0; j < kVectors; ++j) {
        magnitude(Vec(8 + j), j * Vec::kBytes);
        vpmaxsd(Vec(1 + j % kSums), Vec(1 + j % kSums), Vec(8 + j));
      }
      add(rcx, 128);
    });
    largest();  // its bits in eax, and in the lowest lane of register 1
    vpxor(xmm5, xmm5, xmm5);
    cmp(eax, 0x7f800000);
    jae(not_finite, T_NEAR);
    vmovss(xmm3, ptr[rip + most_code_]);
    vdivss(xmm1, xmm3, xmm1);  // inverse
    vdivss(xmm0, xmm0, xmm1);  // d
    vmovss(ptr[rdi], xmm0);
    vbroadcastss(Vec(1), xmm1);
    lea(rdx, ptr[rdi + 8]);
    mov(rcx, rsi);
    repeat(groups, [&] {
      quantize();
      add(rcx, 128);
      add(rdx, 32);
    });
    fold_lanes<Vec>(*this, 5, 2, [&](const auto& to, const auto& a, const auto& b) { vpaddd(to, a, b); });
    vmovd(ptr[rdi + 4], xmm5);
    L(done);
    vzeroupper();
    ret();
    L(not_finite);
    mov(dword[rdi], kNoScale);
    mov(dword[rdi + 4], 0);
    lea(rdx, ptr[rdi + 8]);
    repeat(groups, [&] {
      vmovdqu(ptr[rdx], ymm5);
      add(rdx, 32);
    });
    jmp(done, T_NEAR);
    align(4);
    L(magnitude_);
    dd(0x7fffffff);
    L(least_);
    dd(kLeast);
    L(most_code_);
    write(127.0f);
  }

 private:
  static constexpr int kVectors = 32 / Vec::kLanes;
  static constexpr int kSums = 2;

  void magnitude(const Vec& v, int at) {
    if constexpr (Vec::kWide) {
      vpandd(v, Vec(14), ptr[rcx + at]);
    } else {
      vpand(v, Vec(14), ptr[rcx + at]);
    }
  }

  void largest() {
    vpmaxsd(Vec(1), Vec(1), Vec(2));
    fold_lanes<Vec>(*this, 1, 2, [&](const auto& to, const auto& a, const auto& b) { vpmaxsd(to, a, b); });
    vmovd(eax, xmm1);
  }

  // The 32 values at rcx times register 1, to the bytes at rdx; their codes are added to register 5.
  void quantize() {
    for (int j = 0; j < kVectors; ++j) {
      vmulps(Vec(8 + j), Vec(1), ptr[rcx + j * Vec::kBytes]);
      vcvtps2dq(Vec(8 + j), Vec(8 + j));
    }
    for (int j = 0; j < kVectors; ++j) {
      vpaddd(Vec(5), Vec(5), Vec(8 + j));
    }
    if constexpr (Vec::kWide) {
      for (int j = 0; j < kVectors; ++j) {
        vpmovdb(ptr[rdx + 16 * j], Vec(8 + j));
      }
    } else {
      vpackssdw(ymm8, ymm8, ymm9);
      vpackssdw(ymm10, ymm10, ymm11);
      vpermq(ymm8, ymm8, 0xd8);  // the packs work within 128-bit lanes
      vpermq(ymm10, ymm10, 0xd8);
      vpacksswb(ymm8, ymm8, ymm10);
      vpermq(ymm8, ymm8, 0xd8);
      vmovdqu(ptr[rdx], ymm8);
    }
  }

  Xbyak::Label magnitude_, least_, most_code_;
};

}  // namespace
