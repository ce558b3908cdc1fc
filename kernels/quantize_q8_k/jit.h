#pragma once
#include "kernels/quantize_q8_k/kernel.h"
#include "kernels/shared/jit_lanes.h"

namespace {

// Code for one n: a constant number of blocks of 256 values. Arguments: rdi = dst, rsi = x; n is not read.
template <class Vec>
class Generator : public Xbyak::CodeGenerator {
 public:
  Generator(void* code, size_t capacity, size_t n) : CodeGenerator(capacity, code) {
    const size_t blocks = n / 256;
    if (blocks == 0) {
      ret();
      return;
    }
    Xbyak::Label block, next, not_finite, empty;
    load_constants();
    mov(r8, blocks);
    align(32);
    L(block);
    find_largest();  // its bits in all lanes of vector 8, and in ecx
    cmp(ecx, 0x7f800000);
    jae(not_finite, T_NEAR);
    find_first();                   // rax: its address
    vdivss(xmm9, xmm13, ptr[rax]);  // inverse
    vmovd(edx, xmm9);
    and_(edx, 0x7fffffff);
    xor_(ecx, ecx);
    cmp(edx, 0x7f800000);
    je(empty, T_NEAR);
    vdivss(xmm10, xmm12, xmm9);  // d
    vmovss(ptr[rdi], xmm10);
    vbroadcastss(Vec(9), xmm9);
    for (int j = 0; j < 16; ++j) {
      quantize(j);
    }
    L(next);
    add(rsi, 1024);
    add(rdi, 292);
    dec(r8);
    jnz(block, T_NEAR);
    vzeroupper();
    ret();
    L(not_finite);
    mov(ecx, 0x7fc00000);  // NaN
    L(empty);
    vpxor(xmm10, xmm10, xmm10);
    for (int at = 0; at < 288; at += 16) {
      vmovdqu(ptr[rdi + at], xmm10);
    }
    mov(dword[rdi + 288], 0);
    mov(dword[rdi], ecx);
    jmp(next, T_NEAR);
    align(16);
    L(offset_);
    for (int i = 0; i < 4; ++i) {
      dd(0x80808080);
    }
    L(abs_);
    dd(0x7fffffff);
    L(minus_127_);
    dd(0xc2fe0000);
    L(one_);
    dd(0x3f800000);
  }

 private:
  static constexpr bool kWide = Vec::kWide;

  void load_constants() {
    vmovss(xmm13, ptr[rip + minus_127_]);
    vmovss(xmm12, ptr[rip + one_]);
    vmovdqu(xmm11, ptr[rip + offset_]);
    vpbroadcastd(Vec(14), ptr[rip + abs_]);
    vpxor(xmm15, xmm15, xmm15);
  }

  void magnitude(const Vec& v, int at) {
    if constexpr (kWide) {
      vpandd(v, Vec(14), ptr[rsi + at]);
    } else {
      vpand(v, Vec(14), ptr[rsi + at]);
    }
  }

  void find_largest() {
    for (int j = 0; j < 4; ++j) {
      magnitude(Vec(j), j * Vec::kBytes);
    }
    for (int at = 4 * Vec::kBytes; at < 1024; at += 4 * Vec::kBytes) {
      for (int j = 0; j < 4; ++j) {
        magnitude(Vec(4 + j), at + j * Vec::kBytes);
        vpmaxsd(Vec(j), Vec(j), Vec(4 + j));
      }
    }
    vpmaxsd(Vec(0), Vec(0), Vec(1));
    vpmaxsd(Vec(2), Vec(2), Vec(3));
    vpmaxsd(Vec(8), Vec(0), Vec(2));
    fold_lanes<Vec>(*this, 8, 0, [&](const auto& to, const auto& a, const auto& b) { vpmaxsd(to, a, b); });
    vmovd(ecx, xmm8);
    vpbroadcastd(Vec(8), xmm8);
  }

  // The address of the first value with the magnitude of vector 8: there is one.
  void find_first() {
    Xbyak::Label look;
    lea(rax, ptr[rsi - Vec::kBytes]);
    L(look);
    add(rax, Vec::kBytes);
    if constexpr (kWide) {
      vpandd(Vec(0), Vec(14), ptr[rax]);
      vpcmpeqd(k1, Vec(0), Vec(8));
      kmovw(edx, k1);
    } else {
      vpand(Vec(0), Vec(14), ptr[rax]);
      vpcmpeqd(Vec(0), Vec(0), Vec(8));
      vmovmskps(edx, Vec(0));
    }
    test(edx, edx);
    jz(look);
    tzcnt(edx, edx);
    lea(rax, ptr[rax + rdx * 4]);
  }

  // Sixteen values times vector 9, and their sum: that of code + 128, less 16 * 128.
  void quantize(int j) {
    if constexpr (kWide) {
      vmulps(zmm0, zmm9, ptr[rsi + 64 * j]);
      vcvtps2dq(zmm0, zmm0);
      vpmovdb(xmm0, zmm0);
    } else {
      vmulps(ymm0, ymm9, ptr[rsi + 64 * j]);
      vmulps(ymm1, ymm9, ptr[rsi + 64 * j + 32]);
      vcvtps2dq(ymm0, ymm0);
      vcvtps2dq(ymm1, ymm1);
      vpackssdw(ymm0, ymm0, ymm1);
      vpermq(ymm0, ymm0, 0xd8);  // the pack works within 128-bit lanes
      vextracti128(xmm1, ymm0, 1);
      vpacksswb(xmm0, xmm0, xmm1);
    }
    vmovdqu(ptr[rdi + 4 + 16 * j], xmm0);
    vpxor(xmm0, xmm0, xmm11);
    vpsadbw(xmm0, xmm0, xmm15);
    vpshufd(xmm1, xmm0, 0x4e);
    vpaddd(xmm0, xmm0, xmm1);
    vmovd(eax, xmm0);
    sub(eax, 16 * 128);
    mov(word[rdi + 260 + 2 * j], ax);
  }

  Xbyak::Label offset_, abs_, minus_127_, one_;
};

}  // namespace
