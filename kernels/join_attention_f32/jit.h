#pragma once
#include "kernels/join_attention_f32/kernel.h"
#include "kernels/shared/jit.h"
#include "kernels/shared/jit_exp.h"

namespace {

// Code for one n. rdi = args, r8 = n_parts, r9 and r10 = bytes from a part's statistics, and from a part, to the next. The weights lie as
// floats on the stack.
template <class Vec>
class Generator : public VectorGenerator {
 public:
  Generator(void* code, size_t capacity, size_t n) : VectorGenerator(code, capacity, n % Vec::kLanes) {
    sub(rsp, kFrame);
    mov(r8, argument(offsetof(join_attention_f32_args, n_parts)));
    mov(r9, argument(offsetof(join_attention_f32_args, lds)));
    shl(r9, 2);
    mov(r10, argument(offsetof(join_attention_f32_args, ldp)));
    shl(r10, 2);
    weigh();
    load_mask(Vec(15));
    const size_t vectors = n / Vec::kLanes;
    mov(rsi, argument(offsetof(join_attention_f32_args, parts)));
    mov(rdx, argument(offsetof(join_attention_f32_args, out)));
    repeat(vectors / kVectors, [&] { join(kVectors, false); });
    if (const int tail = static_cast<int>(vectors % kVectors); tail > 0) {
      join(tail, false);
    }
    if (rest_ != 0) {
      join(1, true);
    }
    add(rsp, kFrame);
    vzeroupper();
    ret();
    write_constants();
  }

 private:
  static constexpr int kVectors = 8;
  static constexpr int kMostParts = 64;
  static constexpr int kFrame = 4 * kMostParts + 8;

  Xbyak::Address argument(size_t offset) { return ptr[rdi + static_cast<int>(offset)]; }
  Xbyak::Address constant(int k) { return ptr[rip + constants_ + 4 * k]; }

  // 2^64 e^(xmm0): exp64 of scalar.h. Changes 2 to 4.
  void exponential() {
    vmovss(xmm2, constant(kFloor));
    vmaxss(xmm0, xmm2, xmm0);  // in this order a NaN stays
    vmovss(xmm2, constant(kShift));
    vfmadd231ss(xmm2, xmm0, constant(kLog2e));
    vsubss(xmm3, xmm2, constant(kShift));
    vpslld(xmm2, xmm2, 23);
    vfnmadd231ss(xmm0, xmm3, constant(kLn2High));
    vfnmadd231ss(xmm0, xmm3, constant(kLn2Low));
    vmovss(xmm3, constant(kP4));
    for (const int power : {kP3, kP2, kP1, kP0}) {
      vfmadd213ss(xmm3, xmm0, constant(power));
    }
    vmulss(xmm4, xmm0, xmm0);
    vfmadd213ss(xmm3, xmm4, xmm0);
    vaddss(xmm3, xmm3, constant(kOne));
    vmulss(xmm0, xmm3, xmm2);
  }

  void weigh() {
    Xbyak::Label largest;
    Xbyak::Label some;
    Xbyak::Label weight;
    Xbyak::Label factor;
    Xbyak::Label divide;
    Xbyak::Label scale;
    vmovss(xmm1, constant(kMinusInf));
    mov(rsi, argument(offsetof(join_attention_f32_args, stats)));
    mov(rcx, r8);
    L(largest);
    vmovss(xmm0, ptr[rsi]);
    vmaxss(xmm1, xmm0, xmm1);
    add(rsi, r9);
    dec(rcx);
    jnz(largest);
    vucomiss(xmm1, constant(kMinusInf));
    jne(some);
    vxorps(xmm1, xmm1, xmm1);  // -Inf less -Inf would be NaN
    L(some);
    vxorps(xmm5, xmm5, xmm5);  // the sum
    mov(rsi, argument(offsetof(join_attention_f32_args, stats)));
    xor_(ecx, ecx);
    L(weight);
    vmovss(xmm0, ptr[rsi]);
    vsubss(xmm0, xmm0, xmm1);
    exponential();
    vmulss(xmm0, xmm0, ptr[rsi + 4]);
    vmovss(ptr[rsp + rcx * 4], xmm0);
    vaddss(xmm5, xmm5, xmm0);
    add(rsi, r9);
    inc(rcx);
    cmp(rcx, r8);
    jb(weight);
    vxorps(xmm0, xmm0, xmm0);
    vucomiss(xmm5, xmm0);
    jp(divide);
    je(factor);  // all weights are 0: so is the factor
    L(divide);
    vmovss(xmm0, constant(kOne));
    vdivss(xmm0, xmm0, xmm5);
    L(factor);
    xor_(ecx, ecx);
    L(scale);
    vmulss(xmm1, xmm0, ptr[rsp + rcx * 4]);
    vmovss(ptr[rsp + rcx * 4], xmm1);
    inc(rcx);
    cmp(rcx, r8);
    jb(scale);
  }

  // The next `count` vectors of the row. Changes rcx and r11.
  void join(int count, bool masked) {
    Xbyak::Label part;
    for (int v = 0; v < count; ++v) {
      vxorps(Xbyak::Xmm(v), Xbyak::Xmm(v), Xbyak::Xmm(v));
    }
    mov(r11, rsi);
    xor_(ecx, ecx);
    L(part);
    vbroadcastss(Vec(kVectors), ptr[rsp + rcx * 4]);
    for (int v = 0; v < count; ++v) {
      if (masked) {
        load(Vec(kVectors + 1), ptr[r11], true);
        vfmadd231ps(Vec(v), Vec(kVectors), Vec(kVectors + 1));
      } else {
        vfmadd231ps(Vec(v), Vec(kVectors), ptr[r11 + v * Vec::kBytes]);
      }
    }
    add(r11, r10);
    inc(rcx);
    cmp(rcx, r8);
    jb(part);
    for (int v = 0; v < count; ++v) {
      store(ptr[rdx + v * Vec::kBytes], Vec(v), masked);
    }
    add(rsi, count * Vec::kBytes);
    add(rdx, count * Vec::kBytes);
  }

  void write_constants() {
    align(4);
    L(constants_);
    for (const float value : kExpValues) {
      write(value);
    }
    if (rest_ != 0) {
      write_mask<Vec>();
    }
  }

  Xbyak::Label constants_;
};

}  // namespace
