#pragma once
#include "kernels/attention/work.h"
#include "kernels/shared/jit_exp.h"
#include "kernels/shared/jit_softcap.h"

namespace {

// Code for one d. The steps are those of work.h; a row has its own registers, eight keys or all columns at a time, so that no two rows
// need see the same keys. Throughout: rdi = args, r10 = block, r8 = the block's first key, r11 = its keys, rbx = rows left, rsi = query,
// r12 = the row's q, r13 = bytes from there to its totals, rbp = its scores, r14 .. r15 = the keys that it sees.
template <class Vec>
class Generator : public SoftcapGenerator {
 public:
  Generator(void* code, size_t capacity, size_t d)
      : SoftcapGenerator(code, capacity, d % Vec::kLanes),
        d_(static_cast<int>(d)),
        row_(static_cast<int>(padded(d) * sizeof(float))),
        vectors_(row_ / Vec::kBytes) {
    for (const auto& r : {rbx, rbp, r12, r13, r14, r15}) {
      push(r);
    }
    sub(rsp, kFrame);
    set_up();
    Xbyak::Label chunk;
    Xbyak::Label end;
    L(chunk);
    mov(rax, ptr[rsp + kFirst]);
    cmp(rax, argument(offsetof(attention_args, n_q)));
    jae(end, T_NEAR);
    begin_chunk();
    for_blocks(offsetof(attention_args, k), offsetof(attention_args, ldk), [&] { score_block(); });
    for_rows([&] { exponentials(); });
    for_blocks(offsetof(attention_args, v), offsetof(attention_args, ldv), [&] { weigh_block(); });
    for_rows([&] { write_row(); });
    mov(rax, ptr[rsp + kAtOnce]);
    add(ptr[rsp + kFirst], rax);
    jmp(chunk, T_NEAR);
    L(end);
    add(rsp, kFrame);
    for (const auto& r : {r15, r14, r13, r12, rbp, rbx}) {
      pop(r);
    }
    vzeroupper();
    ret();
    emit_visible();
    write_constants();
  }

 private:
  // On the stack.
  enum {
    kFirst = 0,   // query of the chunk
    kAtOnce = 8,  // queries
    kRows = 16,   // of the chunk
    kFrom = 24,   // the keys that any of its rows sees
    kTo = 32,
    kApart = 40,    // bytes from a row of scores to the next
    kScores = 48,   // of the first row
    kHead = 56,     // of the row
    kCache = 64,    // the next row of the cache to convert
    kFactors = 72,  // of each row, as floats
    kFrame = kFactors + 4 * kMostGroup,
  };
  static_assert(kFrame % 16 == 8, "calls find the stack aligned");

  static constexpr int kDown = kExpConstants;         // a constant more: 2^-64
  static constexpr int kKeys = 8;                     // whose scores are in registers
  static constexpr int kSums = Vec::kWide ? 24 : 12;  // vectors of sums of values

  Xbyak::Address argument(size_t offset) { return ptr[rdi + static_cast<int>(offset)]; }
  Xbyak::Address constant(int k) { return ptr[rip + constants_ + k * Vec::kBytes]; }

  void set_up() {
    // queries_at_once
    mov(rcx, argument(offsetof(attention_args, group)));
    mov(eax, kRowsAtOnce);
    xor_(edx, edx);
    div(rcx);
    mov(edx, 1);
    test(rax, rax);
    cmovz(rax, rdx);
    mov(ptr[rsp + kAtOnce], rax);
    mov(r13, argument(offsetof(attention_args, n_q)));
    cmp(r13, rax);
    cmova(r13, rax);
    imul(r13, rcx);
    imul(r13, r13, row_);
    mov(r10, argument(offsetof(attention_args, scratch)));
    lea(rax, ptr[r10 + r13 * 2 + kBlock * row_]);
    mov(ptr[rsp + kScores], rax);
    // score_row
    mov(rax, argument(offsetof(attention_args, pos)));
    add(rax, argument(offsetof(attention_args, n_q)));
    add(rax, kPad - 1);
    and_(rax, -kPad);
    lea(rax, ptr[rax * 4 + 4 * 2 * kBlock]);
    mov(ptr[rsp + kApart], rax);
    mov(qword[rsp + kFirst], 0);
  }

  // r14 .. r15: the keys that query rsi sees. Changes rax and rdx.
  void emit_visible() {
    Xbyak::Label all;
    L(visible_);
    mov(rax, argument(offsetof(attention_args, pos)));
    lea(rax, ptr[rax + rsi + 1]);
    xor_(r14d, r14d);
    mov(rdx, argument(offsetof(attention_args, window)));
    test(rdx, rdx);
    jz(all);
    cmp(rax, rdx);
    jbe(all);
    mov(r14, rax);
    sub(r14, rdx);
    L(all);
    mov(rdx, argument(offsetof(attention_args, key_begin)));
    cmp(r14, rdx);
    cmovb(r14, rdx);
    mov(r15, argument(offsetof(attention_args, key_end)));
    cmp(r15, rax);
    cmova(r15, rax);
    cmp(r14, r15);
    cmova(r14, r15);
    ret();
  }

  template <class Body>
  void for_rows(Body&& body) {
    Xbyak::Label loop;
    Xbyak::Label same;
    mov(rsi, ptr[rsp + kFirst]);
    mov(rbx, ptr[rsp + kRows]);
    lea(r12, ptr[r10 + kBlock * row_]);
    mov(rbp, ptr[rsp + kScores]);
    mov(qword[rsp + kHead], 0);
    L(loop);
    body();
    add(r12, row_);
    add(rbp, ptr[rsp + kApart]);
    mov(rax, ptr[rsp + kHead]);
    inc(rax);
    cmp(rax, argument(offsetof(attention_args, group)));
    jb(same);
    xor_(eax, eax);
    inc(rsi);
    L(same);
    mov(ptr[rsp + kHead], rax);
    dec(rbx);
    jnz(loop, T_NEAR);
  }

  // rax: where the row's elements are among the rows at `base`, `apart` floats from one to the next. Changes rcx.
  void address_of_row(size_t base, size_t apart) {
    mov(rcx, ptr[rsp + kHead]);
    imul(rcx, rcx, d_);
    mov(rax, rsi);
    imul(rax, argument(apart));
    add(rax, rcx);
    shl(rax, 2);
    add(rax, argument(base));
  }

  void begin_chunk() {
    mov(rsi, rax);
    call(visible_);
    mov(ptr[rsp + kFrom], r14);
    mov(rcx, argument(offsetof(attention_args, n_q)));
    sub(rcx, rsi);
    mov(rax, ptr[rsp + kAtOnce]);
    cmp(rcx, rax);
    cmova(rcx, rax);
    lea(rsi, ptr[rsi + rcx - 1]);
    imul(rcx, argument(offsetof(attention_args, group)));
    mov(ptr[rsp + kRows], rcx);
    call(visible_);
    mov(ptr[rsp + kTo], r15);
    load_mask(Vec(15));
    for_rows([&] {
      address_of_row(offsetof(attention_args, q), offsetof(attention_args, ldq));
      vxorps(xmm1, xmm1, xmm1);
      for (int v = 0; v < vectors_; ++v) {
        const int first = v * Vec::kLanes;
        vmovups(ptr[r12 + r13 + v * Vec::kBytes], Vec(1));
        if (first < d_) {
          load(Vec(0), ptr[rax + v * Vec::kBytes], first + Vec::kLanes > d_);
        }
        vmovups(ptr[r12 + v * Vec::kBytes], Vec(first < d_ ? 0 : 1));
      }
    });
  }

  // body for each block of keys, whose rows of the cache are floats then.
  template <class Body>
  void for_blocks(size_t base, size_t apart, Body&& body) {
    Xbyak::Label loop;
    Xbyak::Label end;
    mov(r8, ptr[rsp + kFrom]);
    mov(rax, r8);
    imul(rax, argument(apart));
    add(rax, argument(base));
    mov(ptr[rsp + kCache], rax);
    L(loop);
    mov(r11, ptr[rsp + kTo]);
    sub(r11, r8);
    jbe(end, T_NEAR);
    mov(rax, r8);  // keys_of_block
    or_(rax, -kBlock);
    neg(rax);
    cmp(r11, rax);
    cmova(r11, rax);
    convert_block(apart);
    for_rows(body);
    add(r8, r11);
    jmp(loop, T_NEAR);
    L(end);
  }

  void convert_block(size_t apart) {
    Xbyak::Label loop;
    mov(rax, ptr[rsp + kCache]);
    mov(rdx, r10);
    mov(rcx, r11);
    L(loop);
    convert_row();
    add(rax, argument(apart));
    add(rdx, row_);
    dec(rcx);
    jnz(loop, T_NEAR);
    mov(ptr[rsp + kCache], rax);
  }

  void convert_row() {
    for (int v = 0; v < vectors_; ++v) {
      const int first = v * Vec::kLanes;
#ifdef LAYOUT_f16
      const int left = d_ - first;
      if (left <= 0) {
        vxorps(xmm0, xmm0, xmm0);
      } else if (left >= Vec::kLanes) {
        vcvtph2ps(Vec(0), ptr[rax + 2 * first]);
      } else if constexpr (Vec::kWide) {
        // Bochs 2.7 lets VCVTPH2PS with a mask read all of its words.
        vmovdqu16(ymm0 | k1 | T_z, ptr[rax + 2 * first]);
        vcvtph2ps(Vec(0), ymm0);
      } else {  // AVX2 has no masks for words
        vpxor(xmm0, xmm0, xmm0);
        for (int i = 0; i < left; ++i) {
          vpinsrw(xmm0, xmm0, ptr[rax + 2 * (first + i)], static_cast<uint8_t>(i));
        }
        vcvtph2ps(Vec(0), xmm0);
      }
#else
      const int block = first / 32 * 34;
      if (first % 32 == 0) {
        if constexpr (Vec::kWide) {
          vpbroadcastw(ymm1, ptr[rax + block]);
          vcvtph2ps(Vec(1), ymm1);
        } else {
          vpbroadcastw(xmm1, ptr[rax + block]);
          vcvtph2ps(Vec(1), xmm1);
        }
      }
      vpmovsxbd(Vec(0), ptr[rax + block + 2 + first % 32]);
      vcvtdq2ps(Vec(0), Vec(0));
      vmulps(Vec(0), Vec(0), Vec(1));
#endif
      vmovups(ptr[rdx + v * Vec::kBytes], Vec(0));
    }
  }

  // rdx: the row's score of key `key`, which is not changed.
  void address_of_score(const Xbyak::Reg64& key) {
    mov(rdx, key);
    sub(rdx, ptr[rsp + kFrom]);
    lea(rdx, ptr[rbp + rdx * 4]);
  }

  // The row's scores with all keys of the block, unless it sees none. As many more as fill the last eight are written, and are nothing.
  void score_block() {
    Xbyak::Label loop;
    Xbyak::Label none;
    call(visible_);
    lea(rax, ptr[r8 + r11]);
    cmp(r14, rax);
    jae(none, T_NEAR);
    cmp(r15, r8);
    jbe(none, T_NEAR);
    address_of_score(r8);
    vbroadcastss(ymm9, argument(offsetof(attention_args, scale)));
    lea(rcx, ptr[r11 + kKeys - 1]);
    shr(rcx, 3);
    mov(rax, r10);
    L(loop);
    for (int t = 0; t < kKeys; ++t) {
      vxorps(Xbyak::Xmm(t), Xbyak::Xmm(t), Xbyak::Xmm(t));
    }
    for (int v = 0; v < vectors_; ++v) {
      vmovups(Vec(8), ptr[r12 + v * Vec::kBytes]);
      for (int t = 0; t < kKeys; ++t) {
        vfmadd231ps(Vec(t), Vec(8), ptr[rax + t * row_ + v * Vec::kBytes]);
      }
    }
    add_up_eight();
    vmulps(ymm0, ymm0, ymm9);
    vmovups(ptr[rdx], ymm0);
    add(rdx, kKeys * 4);
    add(rax, kKeys * row_);
    dec(rcx);
    jnz(loop, T_NEAR);
    L(none);
  }

  // The sums of the lanes of the vectors 0 .. 7, into ymm0. Changes register 8.
  void add_up_eight() {
    if constexpr (Vec::kWide) {
      for (int t = 0; t < kKeys; ++t) {
        vextractf64x4(ymm8, Vec(t), 1);
        vaddps(Ymm(t), Ymm(t), ymm8);
      }
    }
    for (int t = 0; t < kKeys; t += 2) {
      vhaddps(Ymm(t), Ymm(t), Ymm(t + 1));
    }
    vhaddps(ymm0, ymm0, ymm2);
    vhaddps(ymm4, ymm4, ymm6);
    vperm2f128(ymm8, ymm0, ymm4, 0x20);
    vperm2f128(ymm0, ymm0, ymm4, 0x31);
    vaddps(ymm0, ymm0, ymm8);
  }

  // For the row's rcx scores from rdx on, vector by vector with offset rax: `count` vectors a round.
  template <class Body>
  void for_scores(int count, Body&& body) {
    Xbyak::Label loop;
    xor_(eax, eax);
    L(loop);
    body();
    add(rax, count * Vec::kLanes);
    cmp(rax, rcx);
    jb(loop, T_NEAR);
  }

  void exponentials() {
    Xbyak::Label no_cap;
    Xbyak::Label some;
    Xbyak::Label nothing;
    Xbyak::Label divide;
    Xbyak::Label done;
    Xbyak::Label no_stats;
    call(visible_);
    vmovss(xmm11, constant(kMinusInf));  // the largest score
    vxorps(xmm0, xmm0, xmm0);            // the sum
    mov(rcx, r15);
    sub(rcx, r14);
    jz(nothing, T_NEAR);
    address_of_score(r14);
    cmp(dword[rdi + static_cast<int>(offsetof(attention_args, softcap))], 0);
    je(no_cap, T_NEAR);
    vmovss(xmm0, argument(offsetof(attention_args, softcap)));
    prepare_softcap<Vec>();
    for_scores(1, [&] {
      vmovups(Vec(0), ptr[rdx + rax * 4]);
      softcap<Vec>(1);
      vmovups(ptr[rdx + rax * 4], Vec(0));
    });
    L(no_cap);
    vmovaps(Vec(2), constant(kMinusInf));
    vmovups(ptr[rdx + rcx * 4], Vec(2));
    vmovups(ptr[rdx + rcx * 4 + Vec::kBytes], Vec(2));
    for_scores(1, [&] {
      vmovups(Vec(0), ptr[rdx + rax * 4]);
      vmaxps(Vec(2), Vec(0), Vec(2));  // in this order a NaN is passed over: the sum will meet it
    });
    if constexpr (Vec::kWide) {
      vextractf64x4(ymm0, Vec(2), 1);
      vmaxps(ymm2, ymm2, ymm0);
    }
    vextractf128(xmm0, ymm2, 1);
    vmaxps(xmm2, xmm2, xmm0);
    vmovhlps(xmm0, xmm2, xmm2);
    vmaxps(xmm2, xmm2, xmm0);
    vmovshdup(xmm0, xmm2);
    vmaxss(xmm11, xmm2, xmm0);
    vmovaps(xmm2, xmm11);
    vucomiss(xmm2, constant(kMinusInf));
    jne(some);
    vxorps(xmm2, xmm2, xmm2);  // -Inf less -Inf would be NaN
    L(some);
    vbroadcastss(Vec(2), xmm2);
    vxorps(xmm0, xmm0, xmm0);
    vxorps(xmm1, xmm1, xmm1);
    vmovaps(Vec(3), constant(kFloor));
    for_scores(2, [&] {
      each(2, [&](int j) { vmovups(Vec(4 + j), ptr[rdx + rax * 4 + j * Vec::kBytes]); });
      exponential();
      each(2, [&](int j) { vmovups(ptr[rdx + rax * 4 + j * Vec::kBytes], Vec(4 + j)); });
      each(2, [&](int j) { vaddps(Vec(j), Vec(j), Vec(4 + j)); });
    });
    add_up<Vec>(2);
    L(nothing);
    // xmm1: what the weighed sum is to be multiplied by.
    vucomiss(xmm0, xmm0);
    jp(divide);
    vxorps(xmm1, xmm1, xmm1);
    vucomiss(xmm11, constant(kMinusInf));
    vmovss(xmm2, constant(kOne));
    jne(divide);
    vmovaps(xmm0, xmm1);
    jmp(done);
    L(divide);
    vmovss(xmm2, constant(kOne));
    vdivss(xmm1, xmm2, xmm0);
    L(done);
    mov(rcx, ptr[rsp + kRows]);
    sub(rcx, rbx);
    vmovss(ptr[rsp + rcx * 4 + kFactors], xmm1);
    mov(rdx, argument(offsetof(attention_args, stats)));
    test(rdx, rdx);
    jz(no_stats);
    mov(rax, rsi);
    imul(rax, argument(offsetof(attention_args, group)));
    add(rax, ptr[rsp + kHead]);
    vmovss(ptr[rdx + rax * 8], xmm11);
    vmulss(xmm0, xmm0, constant(kDown));
    vmovss(ptr[rdx + rax * 8 + 4], xmm0);
    L(no_stats);
  }

  // 2^64 e^(x - vector 2) of the vectors 4 and 5: exp64 of scalar.h. Vector 3 has the floor; changes 6 to 10.
  void exponential() {
    const auto z = [](int j) { return Vec(4 + j); };
    const auto a = [](int j) { return Vec(6 + j); };
    const auto b = [](int j) { return Vec(8 + j); };
    each(2, [&](int j) { vsubps(z(j), z(j), Vec(2)); });
    each(2, [&](int j) { vmaxps(z(j), Vec(3), z(j)); });  // in this order a NaN in z stays
    each(2, [&](int j) { vmovaps(a(j), constant(kShift)); });
    each(2, [&](int j) { vfmadd231ps(a(j), z(j), constant(kLog2e)); });
    each(2, [&](int j) { vsubps(b(j), a(j), constant(kShift)); });
    each(2, [&](int j) { vpslld(a(j), a(j), 23); });
    each(2, [&](int j) { vfnmadd231ps(z(j), b(j), constant(kLn2High)); });
    each(2, [&](int j) { vfnmadd231ps(z(j), b(j), constant(kLn2Low)); });
    each(2, [&](int j) { vmovaps(b(j), constant(kP4)); });
    for (const int power : {kP3, kP2, kP1, kP0}) {
      each(2, [&](int j) { vfmadd213ps(b(j), z(j), constant(power)); });
    }
    for (int j = 0; j < 2; ++j) {  // one after the other: one register is left
      vmulps(Vec(10), z(j), z(j));
      vfmadd213ps(b(j), Vec(10), z(j));
    }
    each(2, [&](int j) { vaddps(b(j), b(j), constant(kOne)); });
    each(2, [&](int j) { vmulps(z(j), b(j), a(j)); });
  }

  // Adds the values of the block that the row sees to its totals, each weighed by its exponential.
  void weigh_block() {
    Xbyak::Label none;
    call(visible_);
    lea(rax, ptr[r8 + r11]);
    cmp(r14, r8);
    cmovb(r14, r8);
    cmp(r15, rax);
    cmova(r15, rax);
    sub(r15, r14);
    jbe(none, T_NEAR);
    for (int first = 0; first < vectors_; first += kSums) {
      const int count = vectors_ - first < kSums ? vectors_ - first : kSums;
      Xbyak::Label loop;
      address_of_score(r14);
      mov(rax, r14);
      sub(rax, r8);
      imul(rax, rax, row_);
      add(rax, r10);
      mov(rcx, r15);
      for (int v = 0; v < count; ++v) {
        vxorps(Xbyak::Xmm(v), Xbyak::Xmm(v), Xbyak::Xmm(v));
      }
      L(loop);
      vbroadcastss(Vec(kSums), ptr[rdx]);
      for (int v = 0; v < count; ++v) {
        vfmadd231ps(Vec(v), Vec(kSums), ptr[rax + (first + v) * Vec::kBytes]);
      }
      add(rdx, 4);
      add(rax, row_);
      dec(rcx);
      jnz(loop, T_NEAR);
      for (int v = 0; v < count; ++v) {
        const Xbyak::Address total = ptr[r12 + r13 + (first + v) * Vec::kBytes];
        vaddps(Vec(v), Vec(v), total);
        vmovups(total, Vec(v));
      }
    }
    L(none);
  }

  void write_row() {
    load_mask(Vec(15));  // it may take eax
    address_of_row(offsetof(attention_args, out), offsetof(attention_args, ldo));
    mov(rcx, ptr[rsp + kRows]);
    sub(rcx, rbx);
    vbroadcastss(Vec(1), ptr[rsp + rcx * 4 + kFactors]);
    for (int first = 0; first < d_; first += Vec::kLanes) {
      vmulps(Vec(0), Vec(1), ptr[r12 + r13 + first * 4]);
      store(ptr[rax + first * 4], Vec(0), first + Vec::kLanes > d_);
    }
  }

  void write_constants() {
    align(64);
    L(constants_);
    for (const float value : kExpValues) {
      write(value, Vec::kLanes);
    }
    write(0x1p-64f, Vec::kLanes);
    write_softcap<Vec>();
    if (rest_ != 0) {
      write_mask<Vec>();
    }
  }

  const int d_;
  const int row_;      // bytes of a row of block, q and totals
  const int vectors_;  // of such a row
  Xbyak::Label visible_;
  Xbyak::Label constants_;
};

}  // namespace
