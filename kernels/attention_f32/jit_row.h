#pragma once
#include "kernels/attention_f32/jit_core.h"

namespace {

// One query after the other.
class Rows : public Core {
 protected:
  using Core::Core;

  static constexpr int kBlock = 32;  // vectors of a dot product summed before they are added to totals, likewise
  static constexpr int kUnroll = 2;  // of softmax's loops
  // On the stack: the totals of the scores, or what a tile keeps there.
  int frame() const { return 8 * bytes_; }

  // The query at r8 to out at r12.
  void attend_row() {
    scores();
    softmax();
    weigh();
  }

 private:
  // ---- scores ----

  // Sums 0 .. keys-1 += vectors [0, count) of q at r9 times those of the keys, and the masked tail.
  void multiply(int keys, int count, bool tail) {
    for (int i = 0; i < count; ++i) {
      vmovups(vec(8), ptr[r9 + i * bytes_]);
      for (int j = 0; j < keys; ++j) {
        vfmadd231ps(vec(j), vec(8), ptr[key_row(rcx, j) + i * bytes_]);
      }
    }
    if (tail) {
      const int offset = count * bytes_;
      if (lanes_ == 16) {
        vmovups(zmm8 | k2 | T_z, ptr[r9 + offset]);
        for (int j = 0; j < keys; ++j) {
          vfmadd231ps(vec(j) | k2, zmm8, ptr[key_row(rcx, j) + offset]);
        }
      } else {
        vmaskmovps(ymm8, ymm15, ptr[r9 + offset]);
        for (int j = 0; j < keys; ++j) {
          vmaskmovps(ymm9, ymm15, ptr[key_row(rcx, j) + offset]);
          vfmadd231ps(vec(j), ymm8, ymm9);
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
      vmovups(ptr[rsp + j * bytes_], vec(j));
    }
    mov(r11, rcx);
    mov(rax, blocks);
    Xbyak::Label loop;
    L(loop);
    multiply(keys, kBlock, false);
    for (int j = 0; j < keys; ++j) {
      vaddps(vec(j), vec(j), ptr[rsp + j * bytes_]);
      vmovups(ptr[rsp + j * bytes_], vec(j));
      zero(j);
    }
    add(r9, kBlock * bytes_);
    add(rcx, kBlock * bytes_);
    dec(rax);
    jnz(loop, T_NEAR);
    multiply(keys, static_cast<int>(rest_vectors), rest_ != 0);
    for (int j = 0; j < keys; ++j) {
      vaddps(vec(j), vec(j), ptr[rsp + j * bytes_]);
    }
    mov(rcx, r11);
  }

  // The sums over the lanes of registers 0 .. keys-1 become lanes 0 .. keys-1 of register 0.
  void reduce(int keys) {
    if (keys == 1) {
      if (lanes_ == 16) {
        vextractf64x4(ymm1, zmm0, 1);
        vaddps(ymm0, ymm0, ymm1);
      }
      vextractf128(xmm1, ymm0, 1);
      vaddps(xmm0, xmm0, xmm1);
      vmovhlps(xmm1, xmm0, xmm0);
      vaddps(xmm0, xmm0, xmm1);
      vmovshdup(xmm1, xmm0);
      vaddss(xmm0, xmm0, xmm1);
    } else if (lanes_ == 16) {
      // Halves of two keys, then quarters of four, are added in one register; then a key is a lane
      // of 128 bits.
      const auto fold = [&](int to, int a, int b, uint8_t low, uint8_t high) {
        vshuff32x4(zmm9, Xbyak::Zmm(a), Xbyak::Zmm(b), low);
        vshuff32x4(zmm10, Xbyak::Zmm(a), Xbyak::Zmm(b), high);
        vaddps(Xbyak::Zmm(to), zmm9, zmm10);
      };
      for (int j = 0; j < keys / 2; ++j) {
        fold(j, 2 * j, 2 * j + 1, 0x44, 0xee);
      }
      for (int j = 0; j < keys / 4; ++j) {
        fold(j, 2 * j, 2 * j + 1, 0x88, 0xdd);
      }
      const int other = keys == 8 ? 1 : 0;
      vunpcklps(zmm9, zmm0, vec(other));
      vunpckhps(zmm10, zmm0, vec(other));
      vaddps(zmm0, zmm9, zmm10);
      vpermilps(zmm9, zmm0, 0x4e);
      vaddps(zmm0, zmm0, zmm9);
      vpermps(zmm0, zmm28, zmm0);
    } else {
      for (int j = 0; j < keys; j += 4) {
        vhaddps(vec(j), vec(j), vec(j + 1));
        vhaddps(vec(j + 2), vec(j + 2), vec(j + 3));
        vhaddps(vec(j), vec(j), vec(j + 2));
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
    multiples_of_stride();
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
    sub(r9, kUnroll * lanes_);
    jb(one, T_NEAR);
    align(16);
    L(two);
    for (int j = 0; j < kUnroll; ++j) {
      body(j, j * bytes_, false);
    }
    add(rax, kUnroll * bytes_);
    sub(r9, kUnroll * lanes_);
    jae(two, T_NEAR);
    L(one);
    add(r9, lanes_);  // kUnroll = 2: at most one whole vector is left
    jnc(tail, T_NEAR);
    body(0, 0, false);
    add(rax, bytes_);
    sub(r9, lanes_);
    L(tail);
    add(r9, lanes_);
    mov(rcx, r9);
    jz(done, T_NEAR);
    mov(r9, rax);
    mask_of_rcx();
    mov(rax, r9);
    body(1, 0, true);
    L(done);
  }

  void load(const Xbyak::Xmm& v, int offset, bool masked) {
    if (!masked) {
      vmovups(v, ptr[r10 + rax + offset]);
    } else if (lanes_ == 16) {
      vmovups(v | k1 | T_z, ptr[r10 + rax + offset]);
    } else {
      vmaskmovps(v, ymm15, ptr[r10 + rax + offset]);
    }
  }

  void store(const Xbyak::Xmm& v, int offset, bool masked) {
    if (!masked) {
      vmovups(ptr[r10 + rax + offset], v);
    } else if (lanes_ == 16) {
      vmovups(ptr[r10 + rax + offset] | k1, v);
    } else {
      vmaskmovps(ptr[r10 + rax + offset], ymm15, v);
    }
  }

  void softmax() {
    const Xbyak::Xmm max = vec(4);
    const Xbyak::Xmm reciprocal = vec(5);
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
    if (lanes_ == 8) {
      vmovups(ymm14, constant(kFloor));
    }
    zero(0);
    zero(1);
    each([&](int j, int offset, bool masked) {
      load(vec(6), offset, masked);
      vsubps(vec(6), vec(6), max);
      exponential();
      store(vec(6), offset, masked);
      if (masked && lanes_ == 8) {
        vandps(ymm6, ymm6, ymm15);
      }
      if (masked && lanes_ == 16) {
        vaddps(vec(j) | k1, vec(j), vec(6));
      } else {
        vaddps(vec(j), vec(j), vec(6));
      }
    });
    vaddps(vec(0), vec(0), vec(1));
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
      load(vec(6), offset, masked);
      vmulps(vec(6), vec(6), reciprocal);
      store(vec(6), offset, masked);
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
    const auto sum = [&](int set, int t) { return vec(set * columns + t); };
    const auto key = [&](int r, int set) {
      vbroadcastss(vec(8 + r), ptr[rdx + 4 * r]);
      for (int t = 0; t < columns; ++t) {
        if (!tail || t + 1 < columns) {
          vfmadd231ps(sum(set, t), vec(8 + r), ptr[value_row(r) + t * bytes_]);
        } else if (lanes_ == 16) {
          vfmadd231ps(sum(set, t) | k2, vec(8 + r), ptr[value_row(r) + t * bytes_]);
        } else {
          vmaskmovps(ymm12, ymm15, ptr[value_row(r) + t * bytes_]);
          vfmadd231ps(sum(set, t), vec(8 + r), ymm12);
        }
      }
    };
    mov(rsi, arg(offsetof(attention_f32_args, v)));
    add(rsi, r11);
    mov(rdx, r10);
    mov(rcx, rbx);
    zero(12);
    for (int t = 0; t < columns; ++t) {
      store_out(vec(12), t, tail && t + 1 == columns);
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
      load_out(vec(12), t, masked);
      vaddps(vec(12), vec(12), sum(0, t));
      store_out(vec(12), t, masked);
    }
    test(rcx, rcx);
    jnz(block, T_NEAR);
  }

  void load_out(const Xbyak::Xmm& v, int t, bool masked) {
    if (!masked) {
      vmovups(v, ptr[r12 + r11 + t * bytes_]);
    } else if (lanes_ == 16) {
      vmovups(v | k2 | T_z, ptr[r12 + r11 + t * bytes_]);
    } else {
      vmaskmovps(v, ymm15, ptr[r12 + r11 + t * bytes_]);
    }
  }

  void store_out(const Xbyak::Xmm& v, int t, bool masked) {
    if (!masked) {
      vmovups(ptr[r12 + r11 + t * bytes_], v);
    } else if (lanes_ == 16) {
      vmovups(ptr[r12 + r11 + t * bytes_] | k2, v);
    } else {
      vmaskmovps(ptr[r12 + r11 + t * bytes_], ymm15, v);
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
        mov(r14, eights * 8 * bytes_);
      }
      L(loop);
      weigh_columns(8, false);
      add(r11, 8 * bytes_);
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
};

}  // namespace
