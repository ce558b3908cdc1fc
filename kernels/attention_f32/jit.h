#pragma once
#include <stddef.h>
#include <string.h>
#include <xbyak/xbyak.h>

#include "kernels/attention_f32/kernel.h"

// What the generators share. All is local to the file that includes it.
namespace {

struct Ymm : Xbyak::Ymm {
  static constexpr int kLanes = 8;
  using Xbyak::Ymm::Ymm;
};
struct Zmm : Xbyak::Zmm {
  static constexpr int kLanes = 16;
  using Xbyak::Zmm::Zmm;
};

// e^z = 2^n e^r for z <= 0, z = n ln 2 + r with |r| <= ln(2)/2; ln 2 in two parts, of which n times
// the first is exact (Cody and Waite 1980; the parts are those of Cephes' expf). The polynomial is
// the minimax of (e^r - 1 - r) / r^2 by Remez' algorithm, 3.1e-9 of e^r off at most.
enum Constant { kFloor, kLog2e, kShift, kLn2High, kLn2Low, kP4, kP3, kP2, kP1, kP0, kOne, kMinusInf, kConstants };
constexpr float kValues[kConstants] = {
    -110.0f,  // e^-110 is nothing to softmax
    0x1.715476p0f,
    0x1.8p23f + 191,  // 1.5 * 2^23 rounds to an integer n; then n + 64 + 127 in the low bits,
                      // shifted, are 2^(n + 64)
    0.693359375f, -2.12194440e-4f, 0x1.6a23d0p-10f, 0x1.123a20p-7f, 0x1.5558f2p-5f, 0x1.555492p-3f, 0x1.fffffcp-2f,
    1.0f, -__builtin_inff()};

// Code for one d. Throughout: rdi = args, r8 = row of q, r10 = scratch, r12 = row of out, r13 =
// rows left, rbx = m, the visible keys; register 15 is the mask of AVX2, k1 that of AVX-512 for a
// tail of m, k2 for the tail of d.
template <class Vec>
class Generator : public Xbyak::CodeGenerator {
 public:
  Generator(void* code, size_t capacity, size_t d)
      : CodeGenerator(capacity, code), d_(d), vectors_(d / kLanes), rest_(d % kLanes) {
    Xbyak::Label nothing;
    Xbyak::Label row;
    cmp(qword[rdi + offsetof(attention_f32_args, n_q)], 0);
    je(nothing, T_NEAR);
    const Xbyak::Reg64 saved[] = {rbx, rbp, r12, r13, r14, r15};
    for (const auto& r : saved) {
      push(r);
    }
    sub(rsp, 8 * kBytes);  // for the totals of the scores
    mov(r8, arg(offsetof(attention_f32_args, q)));
    mov(r10, arg(offsetof(attention_f32_args, scratch)));
    mov(r12, arg(offsetof(attention_f32_args, out)));
    mov(r13, arg(offsetof(attention_f32_args, n_q)));
    mov(rbx, arg(offsetof(attention_f32_args, pos)));
    inc(rbx);
    load_constants();
    L(row);
    scores();
    softmax();
    weigh();
    mov(rax, arg(offsetof(attention_f32_args, ldo)));
    lea(r12, ptr[r12 + rax * 4]);
    mov(rax, arg(offsetof(attention_f32_args, ldq)));
    lea(r8, ptr[r8 + rax * 4]);
    inc(rbx);
    dec(r13);
    jnz(row, T_NEAR);
    add(rsp, 8 * kBytes);
    for (size_t i = 6; i-- > 0;) {
      pop(saved[i]);
    }
    vzeroupper();
    L(nothing);
    ret();
    write_constants();
  }

 private:
  static constexpr int kLanes = Vec::kLanes;
  static constexpr int kBytes = 4 * kLanes;
  static constexpr int kStep = kLanes == 8 ? 32 : 4;  // of the table: AVX2 has no operand that broadcasts
  static constexpr int kKeys =
      16;  // keys summed before they are added to out: running sums would grow the error with m
  static constexpr int kBlock = 32;  // vectors of a dot product summed before they are added to totals, likewise
  static constexpr int kUnroll = 2;  // of softmax's loops

  Xbyak::Address arg(size_t offset) { return ptr[rdi + static_cast<int>(offset)]; }
  Xbyak::Address constant(int k) { return ptr[rip + table_ + k * kStep]; }

  auto operand(int k) {
    if constexpr (kLanes == 16) {
      return Vec(16 + k);
    } else {
      return constant(k);
    }
  }

  void load_constants() {
    if constexpr (kLanes == 16) {
      for (int k = kFloor; k <= kOne; ++k) {
        vbroadcastss(Vec(16 + k), constant(k));
      }
      vmovups(ymm28, ptr[rip + order_]);
      if (rest_ != 0) {
        mov(eax, (1u << rest_) - 1);
        kmovw(k2, eax);
      }
    }
  }

  void write_constants() {
    align(32);
    L(table_);
    for (float value : kValues) {
      uint32_t bits;
      memcpy(&bits, &value, 4);
      for (int i = 0; i < kStep; i += 4) {
        dd(bits);
      }
    }
    if constexpr (kLanes == 16) {
      align(32);
      L(order_);  // where the sums of 8 keys lie, in reduce()
      for (uint32_t i : {0u, 4u, 8u, 12u, 1u, 5u, 9u, 13u}) {
        dd(i);
      }
    } else {
      L(masks_);  // the mask of n is the window that begins 8 - n elements in
      for (int i = 0; i < 16; ++i) {
        dd(i < 8 ? 0xffffffffu : 0u);
      }
    }
  }

  void zero(int v) { vxorps(Xbyak::Xmm(v), Xbyak::Xmm(v), Xbyak::Xmm(v)); }

  // Mask of the low `count` lanes, count in [1, kLanes) in rcx, to register 15 or k1. Spoils rax,
  // rcx.
  void mask_of_rcx() {
    if constexpr (kLanes == 16) {
      mov(eax, -1);
      bzhi(eax, eax, ecx);
      kmovw(k1, eax);
    } else {
      lea(rax, ptr[rip + masks_]);
      neg(rcx);
      vmovups(ymm15, ptr[rax + rcx * 4 + 32]);
    }
  }

  void mask_of_d() {
    if (kLanes == 8 && rest_ != 0) {
      vmovups(ymm15, ptr[rip + masks_ + static_cast<int>(32 - 4 * rest_)]);
    }
  }

  // ---- scores ----

  // Row j of 8 keys: base + j * stride, with rdx, rsi and rbp = 3, 5 and 7 times the stride r14.
  Xbyak::RegExp key_row(int j) {
    const Xbyak::Reg64 base = rcx;
    switch (j) {
      case 0:
        return base + 0;
      case 1:
        return base + r14;
      case 2:
        return base + r14 * 2;
      case 3:
        return base + rdx;
      case 4:
        return base + r14 * 4;
      case 5:
        return base + rsi;
      case 6:
        return base + rdx * 2;
      default:
        return base + rbp;
    }
  }

  // Sums 0 .. keys-1 += vectors [0, count) of q at r9 times those of the keys, and the masked tail.
  void multiply(int keys, int count, bool tail) {
    for (int i = 0; i < count; ++i) {
      vmovups(Vec(8), ptr[r9 + i * kBytes]);
      for (int j = 0; j < keys; ++j) {
        vfmadd231ps(Vec(j), Vec(8), ptr[key_row(j) + i * kBytes]);
      }
    }
    if (tail) {
      const int offset = count * kBytes;
      if constexpr (kLanes == 16) {
        vmovups(zmm8 | k2 | T_z, ptr[r9 + offset]);
        for (int j = 0; j < keys; ++j) {
          vfmadd231ps(Vec(j) | k2, zmm8, ptr[key_row(j) + offset]);
        }
      } else {
        vmaskmovps(ymm8, ymm15, ptr[r9 + offset]);
        for (int j = 0; j < keys; ++j) {
          vmaskmovps(ymm9, ymm15, ptr[key_row(j) + offset]);
          vfmadd231ps(Vec(j), ymm8, ymm9);
        }
      }
    }
  }

  // Sums 0 .. keys-1 = q times the keys at rcx. Blocks of 32 vectors keep the error of 16 partial
  // sums.
  void dots(int keys) {
    mov(r9, r8);
    for (int j = 0; j < keys; ++j) {
      zero(j);
    }
    const size_t rest_vectors = vectors_ % kBlock;
    const size_t blocks = vectors_ / kBlock;
    const bool more = blocks > 1 || (blocks == 1 && (rest_vectors != 0 || rest_ != 0));
    if (!more) {
      multiply(keys, static_cast<int>(vectors_), rest_ != 0);
      return;
    }
    for (int j = 0; j < keys; ++j) {
      vmovups(ptr[rsp + j * kBytes], Vec(j));
    }
    mov(r11, rcx);
    mov(rax, blocks);
    Xbyak::Label loop;
    L(loop);
    multiply(keys, kBlock, false);
    for (int j = 0; j < keys; ++j) {
      vaddps(Vec(j), Vec(j), ptr[rsp + j * kBytes]);
      vmovups(ptr[rsp + j * kBytes], Vec(j));
      zero(j);
    }
    add(r9, kBlock * kBytes);
    add(rcx, kBlock * kBytes);
    dec(rax);
    jnz(loop, T_NEAR);
    multiply(keys, static_cast<int>(rest_vectors), rest_ != 0);
    for (int j = 0; j < keys; ++j) {
      vaddps(Vec(j), Vec(j), ptr[rsp + j * kBytes]);
    }
    mov(rcx, r11);
  }

  // The sums over the lanes of registers 0 .. keys-1 become lanes 0 .. keys-1 of register 0.
  void reduce(int keys) {
    if (keys == 1) {
      if constexpr (kLanes == 16) {
        vextractf64x4(ymm1, zmm0, 1);
        vaddps(ymm0, ymm0, ymm1);
      }
      vextractf128(xmm1, ymm0, 1);
      vaddps(xmm0, xmm0, xmm1);
      vmovhlps(xmm1, xmm0, xmm0);
      vaddps(xmm0, xmm0, xmm1);
      vmovshdup(xmm1, xmm0);
      vaddss(xmm0, xmm0, xmm1);
    } else if constexpr (kLanes == 16) {
      // Halves of two keys, then quarters of four, are added in one register; then a key is a lane
      // of 128 bits.
      const auto fold = [&](int to, int a, int b, uint8_t low, uint8_t high) {
        vshuff32x4(Vec(9), Vec(a), Vec(b), low);
        vshuff32x4(Vec(10), Vec(a), Vec(b), high);
        vaddps(Vec(to), Vec(9), Vec(10));
      };
      for (int j = 0; j < keys / 2; ++j) {
        fold(j, 2 * j, 2 * j + 1, 0x44, 0xee);
      }
      for (int j = 0; j < keys / 4; ++j) {
        fold(j, 2 * j, 2 * j + 1, 0x88, 0xdd);
      }
      const int other = keys == 8 ? 1 : 0;
      vunpcklps(zmm9, zmm0, Vec(other));
      vunpckhps(zmm10, zmm0, Vec(other));
      vaddps(zmm0, zmm9, zmm10);
      vpermilps(zmm9, zmm0, 0x4e);
      vaddps(zmm0, zmm0, zmm9);
      vpermps(zmm0, zmm28, zmm0);
    } else {
      for (int j = 0; j < keys; j += 4) {
        vhaddps(Vec(j), Vec(j), Vec(j + 1));
        vhaddps(Vec(j + 2), Vec(j + 2), Vec(j + 3));
        vhaddps(Vec(j), Vec(j), Vec(j + 2));
      }
      if (keys == 8) {
        vperm2f128(ymm1, ymm0, ymm4, 0x20);
        vperm2f128(ymm2, ymm0, ymm4, 0x31);
        vaddps(ymm0, ymm1, ymm2);
      } else {
        vextractf128(xmm1, ymm0, 1);
        vaddps(xmm0, xmm0, xmm1);
      }
    }
  }

  // One score for each visible key, and the largest in lane 0 of register 11.
  void scores() {
    mov(rcx, arg(offsetof(attention_f32_args, k)));
    mov(r14, arg(offsetof(attention_f32_args, ldk)));
    shl(r14, 2);
    lea(rdx, ptr[r14 + r14 * 2]);
    lea(rsi, ptr[r14 + r14 * 4]);
    lea(rbp, ptr[rdx + r14 * 4]);
    mask_of_d();
    vbroadcastss(ymm11, constant(kMinusInf));  // maxima of 8 keys, of 4, of 1
    vmovaps(xmm12, xmm11);
    vmovaps(xmm13, xmm11);
    mov(r15, r10);
    lea(rax, ptr[r10 + rbx * 4]);
    push_end_of_scores();
    const auto group = [&](int keys, int max) {
      Xbyak::Label test;
      Xbyak::Label body;
      jmp(test, T_NEAR);
      align(16);
      L(body);
      dots(keys);
      reduce(keys);
      // The maxima pass over NaN, which the sum of softmax will meet.
      if (keys == 8) {
        vbroadcastss(ymm14, arg(offsetof(attention_f32_args, scale)));
        vmulps(ymm0, ymm0, ymm14);
        vmaxps(Xbyak::Ymm(max), ymm0, Xbyak::Ymm(max));
        vmovups(ptr[r15], ymm0);
        lea(rcx, ptr[rcx + r14 * 8]);
      } else if (keys == 4) {
        vbroadcastss(xmm14, arg(offsetof(attention_f32_args, scale)));
        vmulps(xmm0, xmm0, xmm14);
        vmaxps(Xbyak::Xmm(max), xmm0, Xbyak::Xmm(max));
        vmovups(ptr[r15], xmm0);
        lea(rcx, ptr[rcx + r14 * 4]);
      } else {
        vmulss(xmm0, xmm0, arg(offsetof(attention_f32_args, scale)));
        vmaxss(Xbyak::Xmm(max), xmm0, Xbyak::Xmm(max));
        vmovss(ptr[r15], xmm0);
        add(rcx, r14);
      }
      add(r15, 4 * keys);
      L(test);
      lea(rax, ptr[r15 + 4 * keys]);
      cmp(rax, end_of_scores());
      jbe(body, T_NEAR);
    };
    group(8, 11);
    group(4, 12);
    group(1, 13);
    vextractf128(xmm0, ymm11, 1);
    vmaxps(xmm11, xmm11, xmm0);
    vmaxps(xmm11, xmm11, xmm12);
    vmovhlps(xmm0, xmm11, xmm11);
    vmaxps(xmm11, xmm11, xmm0);
    vmovshdup(xmm0, xmm11);
    vmaxss(xmm11, xmm11, xmm0);
    vmaxss(xmm11, xmm11, xmm13);
  }

  // The red zone holds it: nothing is pushed or called meanwhile.
  void push_end_of_scores() { mov(ptr[rsp - 8], rax); }
  Xbyak::Address end_of_scores() { return ptr[rsp - 8]; }

  // ---- softmax of the scratch, in place ----

  // body(j, offset, masked) over m elements at r10 + rax + offset, j the accumulator.
  template <class Body>
  void each(Body body) {
    Xbyak::Label two;
    Xbyak::Label one;
    Xbyak::Label tail;
    Xbyak::Label done;
    xor_(eax, eax);
    mov(r9, rbx);
    sub(r9, kUnroll * kLanes);
    jb(one, T_NEAR);
    align(16);
    L(two);
    for (int j = 0; j < kUnroll; ++j) {
      body(j, j * kBytes, false);
    }
    add(rax, kUnroll * kBytes);
    sub(r9, kUnroll * kLanes);
    jae(two, T_NEAR);
    L(one);
    add(r9, kLanes);  // kUnroll = 2: at most one whole vector is left
    jnc(tail, T_NEAR);
    body(0, 0, false);
    add(rax, kBytes);
    sub(r9, kLanes);
    L(tail);
    add(r9, kLanes);
    mov(rcx, r9);
    jz(done, T_NEAR);
    mov(r9, rax);
    mask_of_rcx();
    mov(rax, r9);
    body(1, 0, true);
    L(done);
  }

  void load(const Vec& v, int offset, bool masked) {
    if (!masked) {
      vmovups(v, ptr[r10 + rax + offset]);
    } else if constexpr (kLanes == 16) {
      vmovups(v | k1 | T_z, ptr[r10 + rax + offset]);
    } else {
      vmaskmovps(v, ymm15, ptr[r10 + rax + offset]);
    }
  }

  void store(const Vec& v, int offset, bool masked) {
    if (!masked) {
      vmovups(ptr[r10 + rax + offset], v);
    } else if constexpr (kLanes == 16) {
      vmovups(ptr[r10 + rax + offset] | k1, v);
    } else {
      vmaskmovps(ptr[r10 + rax + offset], ymm15, v);
    }
  }

  // Register 6 := 2^64 * e^(register 6), in 7 to 9. 2^64 keeps every result normal: the last
  // product, by 2^-64 over the sum, is the one that may be subnormal.
  void exponential() {
    const Vec z(6);
    const Vec a(7);
    const Vec b(8);
    const Vec c(9);
    vmaxps(z, Vec(kLanes == 16 ? 16 + kFloor : 14), z);  // in this order a NaN in z stays
    vmovaps(a, operand(kShift));
    vfmadd231ps(a, z, operand(kLog2e));
    vsubps(b, a, operand(kShift));
    vpslld(a, a, 23);
    vfnmadd231ps(z, b, operand(kLn2High));
    vfnmadd231ps(z, b, operand(kLn2Low));
    vmovaps(b, operand(kP4));
    vfmadd213ps(b, z, operand(kP3));
    vfmadd213ps(b, z, operand(kP2));
    vfmadd213ps(b, z, operand(kP1));
    vfmadd213ps(b, z, operand(kP0));
    vmulps(c, z, z);
    vfmadd213ps(b, c, z);
    vaddps(b, b, operand(kOne));
    vmulps(z, b, a);
  }

  void softmax() {
    const Vec max(4);
    const Vec reciprocal(5);
    Xbyak::Label some;
    Xbyak::Label divide;
    Xbyak::Label normalise;
    xor_(edx, edx);
    vmovss(xmm6, constant(kMinusInf));
    vucomiss(xmm11, xmm6);
    jne(some);
    inc(edx);  // every score is -Inf or NaN
    zero(11);  // -Inf less -Inf would be NaN
    L(some);
    vbroadcastss(max, xmm11);
    if (kLanes == 8) {
      vmovups(ymm14, constant(kFloor));
    }
    zero(0);
    zero(1);
    each([&](int j, int offset, bool masked) {
      load(Vec(6), offset, masked);
      vsubps(Vec(6), Vec(6), max);
      exponential();
      store(Vec(6), offset, masked);
      if (masked && kLanes == 8) {
        vandps(ymm6, ymm6, ymm15);
      }
      if (masked && kLanes == 16) {
        vaddps(Vec(j) | k1, Vec(j), Vec(6));
      } else {
        vaddps(Vec(j), Vec(j), Vec(6));
      }
    });
    vaddps(Vec(0), Vec(0), Vec(1));
    reduce(1);
    test(edx, edx);
    jz(divide);
    zero(6);
    vmulss(xmm0, xmm0, xmm6);  // 0, or NaN if a score is
    jmp(normalise);
    L(divide);
    vmovss(xmm6, constant(kOne));
    vdivss(xmm0, xmm6, xmm0);
    L(normalise);
    vbroadcastss(reciprocal, xmm0);
    each([&](int, int offset, bool masked) {
      load(Vec(6), offset, masked);
      vmulps(Vec(6), Vec(6), reciprocal);
      store(Vec(6), offset, masked);
    });
  }

  // ---- the weighted sum of the values ----

  // Row r of 4: rsi + r * stride, with rbp = 3 times the stride r15.
  Xbyak::RegExp value_row(int r) {
    const Xbyak::Reg64 base = rsi;
    return r == 0 ? base + 0 : r == 1 ? base + r15 : r == 2 ? base + r15 * 2 : base + rbp;
  }

  // `columns` vectors, of which the last is masked if `tail`, at r11 bytes into the row. Where
  // there are fewer than eight columns, alternate rows go to different sums, so that there are
  // enough of them to hide the latency of FMA.
  void weigh_columns(int columns, bool tail) {
    const int sets = columns >= 5 ? 1 : columns >= 3 ? 2 : 4;
    const int keys = sets == 1 ? 2 : sets;  // of an iteration
    Xbyak::Label block;
    Xbyak::Label loop;
    Xbyak::Label one;
    Xbyak::Label done;
    const auto sum = [&](int set, int t) { return Vec(set * columns + t); };
    const auto key = [&](int r, int set) {
      vbroadcastss(Vec(8 + r), ptr[rdx + 4 * r]);
      for (int t = 0; t < columns; ++t) {
        if (!tail || t + 1 < columns) {
          vfmadd231ps(sum(set, t), Vec(8 + r), ptr[value_row(r) + t * kBytes]);
        } else if constexpr (kLanes == 16) {
          vfmadd231ps(sum(set, t) | k2, Vec(8 + r), ptr[value_row(r) + t * kBytes]);
        } else {
          vmaskmovps(ymm12, ymm15, ptr[value_row(r) + t * kBytes]);
          vfmadd231ps(sum(set, t), Vec(8 + r), ymm12);
        }
      }
    };
    mov(rsi, arg(offsetof(attention_f32_args, v)));
    add(rsi, r11);
    mov(rdx, r10);
    mov(rcx, rbx);
    zero(12);
    for (int t = 0; t < columns; ++t) {
      store_out(Vec(12), t, tail && t + 1 == columns);
    }
    L(block);
    for (int j = 0; j < sets * columns; ++j) {
      zero(j);
    }
    mov(eax, kKeys);
    cmp(rcx, rax);
    cmovb(rax, rcx);
    sub(rcx, rax);
    sub(rax, keys);
    jb(one, T_NEAR);
    align(16);
    L(loop);
    for (int r = 0; r < keys; ++r) {
      key(r, r % sets);
    }
    add(rdx, 4 * keys);
    lea(rsi, ptr[rsi + r15 * keys]);
    sub(rax, keys);
    jae(loop, T_NEAR);
    L(one);
    add(rax, keys);
    jz(done, T_NEAR);
    Xbyak::Label single;
    L(single);
    key(0, 0);
    add(rdx, 4);
    add(rsi, r15);
    dec(rax);
    jnz(single, T_NEAR);
    L(done);
    for (int half = sets / 2; half > 0; half /= 2) {
      for (int r = 0; r < half; ++r) {
        for (int t = 0; t < columns; ++t) {
          vaddps(sum(r, t), sum(r, t), sum(r + half, t));
        }
      }
    }
    for (int t = 0; t < columns; ++t) {
      const bool masked = tail && t + 1 == columns;
      load_out(Vec(12), t, masked);
      vaddps(Vec(12), Vec(12), sum(0, t));
      store_out(Vec(12), t, masked);
    }
    test(rcx, rcx);
    jnz(block, T_NEAR);
  }

  void load_out(const Vec& v, int t, bool masked) {
    if (!masked) {
      vmovups(v, ptr[r12 + r11 + t * kBytes]);
    } else if constexpr (kLanes == 16) {
      vmovups(v | k2 | T_z, ptr[r12 + r11 + t * kBytes]);
    } else {
      vmaskmovps(v, ymm15, ptr[r12 + r11 + t * kBytes]);
    }
  }

  void store_out(const Vec& v, int t, bool masked) {
    if (!masked) {
      vmovups(ptr[r12 + r11 + t * kBytes], v);
    } else if constexpr (kLanes == 16) {
      vmovups(ptr[r12 + r11 + t * kBytes] | k2, v);
    } else {
      vmaskmovps(ptr[r12 + r11 + t * kBytes], ymm15, v);
    }
  }

  void weigh() {
    mov(r15, arg(offsetof(attention_f32_args, ldv)));
    shl(r15, 2);
    lea(rbp, ptr[r15 + r15 * 2]);
    mask_of_d();
    xor_(r11d, r11d);
    const size_t eights = vectors_ / 8;
    if (eights > 0) {
      Xbyak::Label loop;
      if (eights > 1) {
        mov(r14, eights * 8 * kBytes);
      }
      L(loop);
      weigh_columns(8, false);
      add(r11, 8 * kBytes);
      if (eights > 1) {
        cmp(r11, r14);
        jb(loop, T_NEAR);
      }
    }
    const int columns = static_cast<int>(vectors_ % 8) + (rest_ != 0 ? 1 : 0);
    if (columns > 0) {
      weigh_columns(columns, rest_ != 0);
    }
  }

  const size_t d_;
  const size_t vectors_;
  const size_t rest_;
  Xbyak::Label table_;
  Xbyak::Label order_;
  Xbyak::Label masks_;
};

template <class Vec>
size_t generate(void* code, size_t capacity, const size_t* key) {
  try {
    return Generator<Vec>(code, capacity, key[0]).getSize();
  } catch (const Xbyak::Error&) {
    return 0;  // capacity is too small
  }
}

}  // namespace
