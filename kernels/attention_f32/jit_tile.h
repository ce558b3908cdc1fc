#pragma once
#include "kernels/attention_f32/jit_row.h"

namespace {

// A tile of queries: each is a lane, so all share a row of k, and no sum crosses lanes. Its part of the scratch are the
// d columns of its queries, then for each key the scores, later the weights, of all of them.
class Tiles : public Rows {
 protected:
  using Rows::Rows;

  // Queries that are faster one by one.
  int few() const { return lanes_ == 16 ? 5 : 3; }
  // Keys whose scores are computed together. A tile sees so many at least.
  int together() const { return lanes_ == 16 ? 8 : 6; }

  // The next queries from r8 on, up to as many as `width` vectors have lanes; rbx keys are seen by the first.
  void attend_tile(int width) {
    width_ = width;
    row_ = width * bytes_;
    mov(eax, width * lanes_);
    cmp(rax, r13);
    cmova(rax, r13);
    mov(slot(kQueries), rax);
    lea(rcx, ptr[rbx + rax - 1]);
    mov(slot(kVisible), rcx);
    lea(rax, ptr[r10 + 63]);  // rows begin at cache lines
    and_(rax, -64);
    mov(slot(kColumns), rax);
    add(rax, static_cast<uint32_t>(d_) * static_cast<uint32_t>(row_));
    mov(slot(kScores), rax);
    transpose();
    tile_scores();
    tile_exponentials();
    tile_weigh();
  }

  void queries_of_tile(const Xbyak::Reg64& to) { mov(to, slot(kQueries)); }

 private:
  static constexpr int kChunk = 16;  // products of a score summed before they are added: the error of 16 partial sums

  // On the stack, where Rows has its totals: maxima and factors of the queries, then these.
  enum Slot {
    kQueries,
    kVisible,
    kColumns,
    kScores,
    kBlockKeys,
    kWeights,
    kValues,
    kRows,
    kMore,
    kGroupQueries,
    kTimes
  };
  Xbyak::Address slot(Slot s) { return qword[rsp + 4 * bytes_ + 8 * s]; }
  Xbyak::Address maximum(int v) { return ptr[rsp + v * bytes_]; }
  Xbyak::Address factor(int v) { return ptr[rsp + (2 + v) * bytes_]; }

  // The columns of the queries. Lanes without a query repeat the last one.
  void transpose() {
    const Xbyak::Reg64 from[] = {r9, r11, r14, r15};
    Xbyak::Label four;
    mov(rbp, slot(kQueries));
    dec(rbp);
    xor_(eax, eax);
    L(four);
    for (int r = 0; r < 4; ++r) {
      lea(rsi, ptr[rax + r]);
      cmp(rsi, rbp);
      cmova(rsi, rbp);
      imul(rsi, arg(offsetof(attention_f32_args, ldq)));
      lea(from[r], ptr[r8 + rsi * 4]);
    }
    mov(rdx, slot(kColumns));
    lea(rdx, ptr[rdx + rax * 4]);
    if (d_ >= 4) {
      Xbyak::Label loop;
      mov(rcx, d_ / 4);
      L(loop);
      for (int r = 0; r < 4; ++r) {
        vmovups(Xbyak::Xmm(r), ptr[from[r]]);
        add(from[r], 16);
      }
      vunpcklps(xmm4, xmm0, xmm1);
      vunpcklps(xmm5, xmm2, xmm3);
      vunpckhps(xmm6, xmm0, xmm1);
      vunpckhps(xmm7, xmm2, xmm3);
      vmovlhps(xmm0, xmm4, xmm5);
      vmovhlps(xmm1, xmm5, xmm4);
      vmovlhps(xmm2, xmm6, xmm7);
      vmovhlps(xmm3, xmm7, xmm6);
      for (int r = 0; r < 4; ++r) {
        vmovups(ptr[rdx + r * row_], Xbyak::Xmm(r));
      }
      add(rdx, 4 * row_);
      dec(rcx);
      jnz(loop);
    }
    for (int e = 0; e < static_cast<int>(d_ % 4); ++e) {
      for (int r = 0; r < 4; ++r) {
        vmovss(xmm0, ptr[from[r] + 4 * e]);
        vmovss(ptr[rdx + e * row_ + 4 * r], xmm0);
      }
    }
    add(rax, 4);
    cmp(rax, width_ * lanes_);
    jb(four, T_NEAR);
  }

  // ---- scores ----

  Xbyak::Xmm score(int key, int v) const { return vec(key * width_ + v); }

  template <class Body>
  void each_score(Body body) {
    for (int j = 0; j < together(); ++j) {
      for (int v = 0; v < width_; ++v) {
        body(score(j, v), ptr[r15 + (j * width_ + v) * bytes_]);
      }
    }
  }

  void store_scores() {
    each_score([&](const Xbyak::Xmm& s, const Xbyak::Address& at) { vmovups(at, s); });
  }

  // Sums := `count` columns at r9 times those of the keys at rcx. The keys behind them, at r10, are prefetched: rows
  // far apart are nothing that a CPU fetches ahead by itself.
  void multiply_chunk(int count) {
    const int x = lanes_ == 16 ? 29 : 12;
    const Xbyak::Xmm y = vec(lanes_ == 16 ? 31 : 14);
    each_score([&](const Xbyak::Xmm& s, const Xbyak::Address&) { zero(s.getIdx()); });
    for (int e = 0; e < count; ++e) {
      for (int v = 0; v < width_; ++v) {
        vmovups(vec(x + v), ptr[r9 + e * row_ + v * bytes_]);
      }
      for (int j = 0; j < together(); ++j) {
        if (lanes_ == 16 && width_ == 1) {
          vfmadd231ps(score(j, 0), vec(x), ptr_b[key_row(rcx, j) + 4 * e]);
          continue;
        }
        vbroadcastss(y, ptr[key_row(rcx, j) + 4 * e]);
        for (int v = 0; v < width_; ++v) {
          vfmadd231ps(score(j, v), vec(x + v), y);
        }
      }
      for (int j = 0; j < together(); ++j) {
        if (j * count / together() == e) {
          prefetcht0(ptr[key_row(r10, j)]);
        }
      }
    }
    add(r9, count * row_);
    add(rcx, count * 4);
    add(r10, count * 4);
  }

  // Sums := scores, -Inf where a query does not see the key, if `hidden`; and the maxima.
  void scale_scores(bool hidden) {
    const Xbyak::Xmm scale = vec(lanes_ == 16 ? 29 : 12);
    const Xbyak::Xmm masked = vec(lanes_ == 16 ? 30 : 14);
    const Xbyak::Xmm max = vec(lanes_ == 16 ? 31 : 13);
    vbroadcastss(scale, arg(offsetof(attention_f32_args, scale)));
    each_score([&](const Xbyak::Xmm& s, const Xbyak::Address&) { vmulps(s, s, scale); });
    if (hidden) {
      vbroadcastss(masked, constant(kMinusInf));
    }
    for (int j = 0; hidden && j < together(); ++j) {
      lea(rax, ptr[r11 + j + 1]);  // the first queries, as many as rax less rbx, do not see it
      xor_(ecx, ecx);
      sub(rax, rbx);
      cmovb(rax, rcx);
      if (lanes_ == 16) {
        mov(ecx, -1);
        shlx(ecx, ecx, eax);
        kmovd(k3, ecx);
        kshiftrd(k4, k3, 16);
        for (int v = 0; v < width_; ++v) {
          vblendmps(score(j, v) | (v == 0 ? k3 : k4), masked, score(j, v));
        }
      } else {
        vmovd(xmm15, eax);
        vpbroadcastd(ymm15, xmm15);
        for (int v = 0; v < width_; ++v) {
          vpcmpgtd(ymm13, ymm15, lanes_of_tile(v));
          vblendvps(score(j, v), score(j, v), masked, ymm13);
        }
      }
    }
    for (int v = 0; v < width_; ++v) {
      vmovups(max, maximum(v));
      for (int j = 0; j < together(); ++j) {
        vmaxps(max, score(j, v), max);  // passes over NaN, which the sum will meet
      }
      vmovups(maximum(v), max);
    }
  }

  void tile_scores() {
    Xbyak::Label keys;
    Xbyak::Label finish;
    Xbyak::Label hidden;
    Xbyak::Label finished;
    Xbyak::Label done;
    vbroadcastss(vec(0), constant(kMinusInf));
    for (int v = 0; v < width_; ++v) {
      vmovups(maximum(v), vec(0));
    }
    mov(r14, arg(offsetof(attention_f32_args, ldk)));
    shl(r14, 2);
    multiples_of_stride();
    xor_(r11d, r11d);
    L(keys);
    mov(rcx, r11);
    imul(rcx, r14);
    add(rcx, arg(offsetof(attention_f32_args, k)));
    lea(r10, together() == 8 ? ptr[rcx + r14 * 8] : ptr[rcx + rdx * 2]);
    imul(r15, r11, row_);
    add(r15, slot(kScores));
    mov(r9, slot(kColumns));
    const int first = d_ % kChunk != 0 ? static_cast<int>(d_ % kChunk) : kChunk;
    const size_t chunks = d_ / kChunk - (d_ % kChunk == 0 ? 1 : 0);  // after the first
    multiply_chunk(first);
    if (chunks > 0) {
      Xbyak::Label loop;
      mov(eax, static_cast<uint32_t>(chunks));
      align(16);
      L(loop);
      store_scores();
      multiply_chunk(kChunk);
      each_score([&](const Xbyak::Xmm& s, const Xbyak::Address& at) { vaddps(s, s, at); });
      dec(eax);
      jnz(loop, T_NEAR);
    }
    lea(rax, ptr[r11 + together()]);
    cmp(rax, rbx);
    ja(hidden, T_NEAR);
    scale_scores(false);
    jmp(finished, T_NEAR);
    L(hidden);
    scale_scores(true);
    L(finished);
    store_scores();
    add(r11, together());
    mov(rax, slot(kVisible));
    cmp(r11, rax);
    jae(done, T_NEAR);
    sub(rax, together());  // at the end some keys are done once more
    cmp(r11, rax);
    cmova(r11, rax);
    jmp(keys, T_NEAR);
    L(done);
  }

  // ---- softmax ----

  // Mask k3, or register 9, of the queries whose scores are all -Inf or NaN; their maxima in register 6. Spoils 9.
  void all_masked(int v) {
    vmovups(vec(6), maximum(v));
    vbroadcastss(vec(9), constant(kMinusInf));
    if (lanes_ == 16) {
      vcmpps(k3, zmm6, zmm9, 0);
    } else {
      vcmpps(ymm9, ymm6, ymm9, 0);
    }
  }

  // Scores to weights, but for a factor: one over their sum. What a query does not see adds e^-110.
  void tile_exponentials() {
    const auto sum = [&](int v) { return vec(v); };
    const auto total = [&](int v) { return vec(2 + v); };
    const auto subtrahend = [&](int v) { return vec(10 + v); };
    Xbyak::Label block;
    Xbyak::Label row;
    for (int v = 0; v < width_; ++v) {
      zero(2 + v);
      all_masked(v);
      if (lanes_ == 16) {
        knotw(k3, k3);
        vmovaps(subtrahend(v) | k3 | T_z, vec(6));
      } else {
        vandnps(subtrahend(v), ymm9, ymm6);
      }
    }
    if (lanes_ == 8) {
      vmovups(ymm14, constant(kFloor));
    }
    mov(r15, slot(kScores));
    mov(r9, slot(kVisible));
    L(block);
    for (int v = 0; v < width_; ++v) {
      zero(v);
    }
    mov(eax, kKeys);
    cmp(rax, r9);
    cmova(rax, r9);
    sub(r9, rax);
    align(16);
    L(row);
    for (int v = 0; v < width_; ++v) {
      vmovups(vec(6), ptr[r15 + v * bytes_]);
      vsubps(vec(6), vec(6), subtrahend(v));
      exponential();
      vmovups(ptr[r15 + v * bytes_], vec(6));
      vaddps(sum(v), sum(v), vec(6));
    }
    add(r15, row_);
    dec(rax);
    jnz(row, T_NEAR);
    for (int v = 0; v < width_; ++v) {
      vaddps(total(v), total(v), sum(v));
    }
    test(r9, r9);
    jnz(block, T_NEAR);
    for (int v = 0; v < width_; ++v) {
      all_masked(v);
      vbroadcastss(vec(7), constant(kOne));
      vdivps(vec(7), vec(7), total(v));
      zero(8);
      if (lanes_ == 16) {
        vmulps(vec(7) | k3, total(v), vec(8));  // 0, or NaN if a score is
      } else {
        vmulps(vec(8), total(v), vec(8));
        vblendvps(vec(7), vec(7), vec(8), vec(9));
      }
      vmovups(factor(v), vec(7));
    }
  }

  // ---- the weighted sum of the values ----

  // Queries whose sums are in registers together.
  int group() const { return lanes_ == 16 ? 8 : 4; }

  // `columns` vectors, of which the last is masked if `tail`, at r10 bytes into the rows of the group whose out is at
  // r9 and whose weights of this block are at rbp: first the keys that all of its queries see, then those of which the
  // r-th is seen by the queries from r on. Ends with r10 behind the columns.
  void weigh_group(int columns, bool tail) {
    const auto sum = [&](int i, int c) { return vec(i * columns + c); };
    const auto x = [&](int c) { return vec((lanes_ == 16 ? 24 : 12) + c); };
    const Xbyak::Xmm y = vec(lanes_ == 16 ? 29 : tail ? 13 : 15);
    const auto masked = [&](int c) { return tail && c + 1 == columns; };
    const auto row = [&](int first) {
      for (int c = 0; c < columns; ++c) {
        const Xbyak::Address at = ptr[rsi + c * bytes_];
        if (!masked(c)) {
          vmovups(x(c), at);
        } else if (lanes_ == 16) {
          vmovups(x(c) | k2 | T_z, at);
        } else {
          vmaskmovps(x(c), ymm15, at);
        }
      }
      for (int i = first; i < group(); ++i) {
        vbroadcastss(y, ptr[rdx + 4 * i]);
        for (int c = 0; c < columns; ++c) {
          vfmadd231ps(sum(i, c), y, x(c));
        }
      }
      add(rdx, row_);
      add(rsi, r14);
    };
    Xbyak::Label loop;
    Xbyak::Label triangle;
    Xbyak::Label summed;
    Xbyak::Label add_to_out;
    Xbyak::Label done;
    mov(rdx, rbp);
    mov(rsi, slot(kValues));
    add(rsi, r10);
    for (int i = 0; i < group() * columns; ++i) {
      zero(i);
    }
    mov(rcx, slot(kRows));
    test(rcx, rcx);
    jz(triangle, T_NEAR);
    align(16);
    L(loop);
    row(0);
    dec(rcx);
    jnz(loop, T_NEAR);
    L(triangle);
    mov(rcx, slot(kMore));
    for (int r = 1; r < group(); ++r) {
      cmp(rcx, r);
      jb(summed, T_NEAR);
      row(r);
    }
    L(summed);
    mov(rcx, slot(kGroupQueries));
    lea(rax, ptr[r9 + r10]);
    mov(rdx, arg(offsetof(attention_f32_args, ldo)));
    shl(rdx, 2);
    add(r10, columns * bytes_);
    const auto store = [&](bool add_first) {
      for (int i = 0; i < group(); ++i) {
        if (i > 0) {
          cmp(rcx, i);
          jbe(done, T_NEAR);
        }
        for (int c = 0; c < columns; ++c) {
          const Xbyak::Xmm s = sum(i, c);
          const Xbyak::Address at = ptr[rax + c * bytes_];
          if (!masked(c)) {
            if (add_first) {
              vaddps(s, s, at);
            }
            vmovups(at, s);
          } else if (lanes_ == 16) {
            if (add_first) {
              vaddps(s | k2, s, at);
            }
            vmovups(at | k2, s);
          } else {
            if (add_first) {
              vmaskmovps(ymm12, ymm15, at);
              vaddps(s, s, ymm12);
            }
            vmaskmovps(at, ymm15, s);
          }
        }
        add(rax, rdx);
      }
    };
    test(r11, r11);
    jnz(add_to_out, T_NEAR);
    store(false);
    jmp(done, T_NEAR);
    L(add_to_out);
    store(true);
    L(done);
  }

  // All columns of a group: by three vectors, at the end by two rather than by one.
  void weigh_columns_of_group() {
    const bool tail_joins = lanes_ == 16 && rest_ != 0;
    const size_t n = vectors_ + (tail_joins ? 1 : 0);
    const size_t twos = n % 3 == 2 ? 1 : n % 3 == 1 && n > 1 ? 2 : 0;
    const size_t times[] = {0, n == 1 ? size_t{1} : 0, twos, (n - 2 * twos) / 3};
    const int last = n == 1 ? 1 : twos > 0 ? 2 : 3;
    xor_(r10d, r10d);
    for (int columns = 3; columns > 0; --columns) {
      const bool tail = tail_joins && columns == last;
      const size_t whole = times[columns] - (tail ? 1 : 0);
      if (whole > 0) {
        Xbyak::Label loop;
        mov(slot(kTimes), static_cast<uint32_t>(whole));
        L(loop);
        weigh_group(columns, false);
        dec(slot(kTimes));
        jnz(loop, T_NEAR);
      }
      if (tail) {
        weigh_group(columns, true);
      }
    }
    if (rest_ != 0 && !tail_joins) {
      mask_of_d();
      weigh_group(1, true);
    }
  }

  // The weights of a block get their factor.
  void multiply_weights() {
    Xbyak::Label loop;
    for (int v = 0; v < width_; ++v) {
      vmovups(vec(v), factor(v));
    }
    mov(rdx, slot(kWeights));
    mov(rcx, slot(kBlockKeys));
    L(loop);
    for (int v = 0; v < width_; ++v) {
      vmulps(vec(2 + v), vec(v), ptr[rdx + v * bytes_]);
      vmovups(ptr[rdx + v * bytes_], vec(2 + v));
    }
    add(rdx, row_);
    dec(rcx);
    jnz(loop);
  }

  // Blocks of keys begin where all queries of a group see none or all of the keys before: at rbx and so on.
  void tile_weigh() {
    Xbyak::Label block;
    Xbyak::Label next_group;
    Xbyak::Label skip;
    Xbyak::Label done;
    mov(r14, arg(offsetof(attention_f32_args, ldv)));
    shl(r14, 2);
    lea(rax, ptr[rbx - 1]);
    and_(eax, kKeys - 1);
    inc(eax);
    mov(slot(kBlockKeys), rax);
    xor_(r11d, r11d);
    L(block);
    imul(rdx, r11, row_);
    add(rdx, slot(kScores));
    mov(slot(kWeights), rdx);
    mov(rsi, r11);
    imul(rsi, r14);
    add(rsi, arg(offsetof(attention_f32_args, v)));
    mov(slot(kValues), rsi);
    multiply_weights();
    xor_(r15d, r15d);
    L(next_group);
    lea(rax, ptr[rbx + r15]);
    sub(rax, r11);  // keys of the block and behind that all of the group see
    jb(skip, T_NEAR);
    mov(rcx, slot(kQueries));
    sub(rcx, r15);
    mov(edx, group());
    cmp(rcx, rdx);
    cmova(rcx, rdx);
    mov(slot(kGroupQueries), rcx);
    dec(rcx);
    xor_(edx, edx);
    mov(rbp, slot(kBlockKeys));
    cmp(rax, rbp);
    cmovae(rcx, rdx);
    cmovae(rax, rbp);
    mov(slot(kRows), rax);
    mov(slot(kMore), rcx);
    or_(rax, rcx);
    jz(skip, T_NEAR);
    mov(rbp, slot(kWeights));
    lea(rbp, ptr[rbp + r15 * 4]);
    mov(r9, arg(offsetof(attention_f32_args, ldo)));
    imul(r9, r15);
    lea(r9, ptr[r12 + r9 * 4]);
    weigh_columns_of_group();
    L(skip);
    add(r15, group());
    cmp(r15, slot(kQueries));
    jb(next_group, T_NEAR);
    add(r11, slot(kBlockKeys));
    mov(rax, slot(kVisible));
    sub(rax, r11);
    jz(done, T_NEAR);
    mov(ecx, kKeys);
    cmp(rax, rcx);
    cmova(rax, rcx);
    mov(slot(kBlockKeys), rax);
    jmp(block, T_NEAR);
    L(done);
  }

  int width_ = 0;  // vectors of the queries of a tile
  int row_ = 0;    // bytes of a row of the tile's scratch
};

}  // namespace
