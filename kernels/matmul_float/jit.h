// The generator of the matmul family for floats: the tile of tile.h for one {rows, cols, tokens}. Numbers of columns and tiles and
// what is left of the last rows are constants; batches, blocks, panels and tiles are loops at run time.
#pragma once
#include "kernels/matmul_float/kernel.h"
#include "kernels/matmul_float/layout.h"
#include "kernels/shared/jit.h"

namespace {

//   rdi  arguments            r13  first column of the block       r9   x of the tile
//   r8   bytes of ldy         r15  first row of the panel          r10  y of the tile, this panel
//   rbp  y of the batch       rsi  weights of the panel            r11  bias of the panel, or NULL
//   rcx  row_end              r14  weights of a column             rbx  tiles left
//   rax, rdx, r12             what is needed for a moment
template <class Vec>
class MatmulFloatGenerator : public VectorGenerator {
 public:
  MatmulFloatGenerator(void* code, size_t capacity, size_t rows, size_t cols, size_t tokens, size_t prefetch,
                       size_t tile)
      : VectorGenerator(code, capacity, rows % kLanes),
        rows_(rows),
        cols_(cols),
        copies_(tokens > 1),
        prefetch_(static_cast<int>(prefetch)),
        tile_tokens_(tile == 0 || tile > kTokens ? kTokens : static_cast<int>(tile)) {
    if (rows == 0 || tokens == 0) {
      ret();
      return;
    }
    const Xbyak::Reg64 saved[] = {rbx, rbp, r12, r13, r14, r15};
    for (const auto& r : saved) {
      push(r);
    }
    sub(rsp, kFrame);
    mov(r8, argument(offsetof(matmul_args, ldy)));
    shl(r8, 2);
    mov(rbp, argument(offsetof(matmul_args, y)));
    if (tokens == 1) {
      xor_(r13d, r13d);
      panels(1, cols, cols, kWeight);
    } else {
      all_batches(tokens);
    }
    add(rsp, kFrame);
    for (int i = 5; i >= 0; --i) {
      pop(saved[i]);
    }
    vzeroupper();
    ret();
    write_mask<Vec>();
  }

 private:
  static constexpr int kLanes = Vec::kLanes;
  // Tokens of the largest tile: 2 x kTokens sums, 2 vectors of weights and 2 broadcast tokens in the registers.
  static constexpr int kTokens = (Vec::kRegisters - 4) / 2;
  static constexpr int kWeight = sizeof(weight);
  static constexpr int kTokenBytes = 4 * kStride;  // between copies
  // On the stack: x of the batch, batches left.
  static constexpr int kFrame = 24;

  /// Some vectors of rows of a panel.
  struct Rows {
    int first, vectors;
    int width;    ///< rows of the panel
    bool masked;  ///< the last vector is not full
    bool is_masked(int vector) const { return masked && vector + 1 == vectors; }
  };

  Xbyak::Address argument(size_t offset) { return ptr[rdi + static_cast<int>(offset)]; }

  // Vectors of rows of a tile.
  static int vectors_of(int tokens) { return !Vec::kWide && tokens <= 3 ? 4 : 2; }

  void all_batches(size_t tokens) {
    mov(rax, argument(offsetof(matmul_args, x)));
    mov(ptr[rsp], rax);
    if (tokens >= kBatch) {
      Xbyak::Label loop;
      mov(rax, tokens / kBatch);
      mov(ptr[rsp + 8], rax);
      L(loop);
      batch(kBatch);
      dec(qword[rsp + 8]);
      jnz(loop, T_NEAR);
    }
    if (tokens % kBatch != 0) {
      batch(static_cast<int>(tokens % kBatch));
    }
  }

  void batch(int tokens) {
    xor_(r13d, r13d);
    const size_t full = cols_ / kBlock;
    if (full != 0) {
      Xbyak::Label loop;
      L(loop);
      block(tokens, kBlock);
      add(r13, static_cast<int>(kBlock));
      if (full > 1) {
        mov(rax, full * kBlock);
        cmp(r13, rax);
        jb(loop, T_NEAR);
      }
    }
    if (cols_ == 0 || cols_ % kBlock != 0) {
      block(tokens, cols_ % kBlock);
    }
    imul(rax, r8, tokens);
    add(rbp, rax);
    mov(rax, 4 * cols_ * static_cast<size_t>(tokens));
    add(ptr[rsp], rax);
  }

  // A block of columns of the batch: its tokens are copied, then every panel takes all of them.
  void block(int tokens, size_t cols) {
    mov(r12, ptr[rsp]);
    lea(r12, ptr[r12 + 4 * r13]);
    mov(r9, argument(offsetof(matmul_args, scratch)));
    Xbyak::Label loop;
    mov(ebx, tokens);
    L(loop);
    copy(cols);
    mov(rax, 4 * cols_);
    add(r12, rax);
    add(r9, kTokenBytes);
    dec(ebx);
    jnz(loop, T_NEAR);
    panels(tokens, cols, cols_, kWeight);
  }

  // One token's columns of the block, from r12 to r9.
  void copy(size_t cols) {
    constexpr int kRound = 4;
    mov(rsi, r12);
    mov(rdx, r9);
    repeat(cols / (kRound * kLanes), [&] {
      for (int i = 0; i < kRound; ++i) {
        vmovups(Vec(i), ptr[rsi + i * Vec::kBytes]);
      }
      for (int i = 0; i < kRound; ++i) {
        vmovups(ptr[rdx + i * Vec::kBytes], Vec(i));
      }
      add(rsi, kRound * Vec::kBytes);
      add(rdx, kRound * Vec::kBytes);
    });
    const int rest = static_cast<int>(cols % (kRound * kLanes));
    for (int i = 0; i < rest;) {
      const auto at = 4 * i;
      if (rest - i >= kLanes) {
        vmovups(Vec(0), ptr[rsi + at]);
        vmovups(ptr[rdx + at], Vec(0));
        i += kLanes;
      } else {
        vmovss(xmm0, ptr[rsi + at]);
        vmovss(ptr[rdx + at], xmm0);
        ++i;
      }
    }
  }

  // All panels from row_begin to row_end: the full ones in a loop, and the last one of all rows if it is not full.
  void panels(int tokens, size_t cols, size_t all_cols, int bytes) {
    Xbyak::Label loop;
    Xbyak::Label last;
    Xbyak::Label done;
    const int rest = static_cast<int>(rows_ % kPanel);
    mov(r15, argument(offsetof(matmul_args, row_begin)));
    mov(rcx, argument(offsetof(matmul_args, row_end)));
    if (rows_ >= kPanel) {
      L(loop);
      lea(rax, ptr[r15 + static_cast<int>(kPanel)]);
      cmp(rax, rcx);
      ja(last, T_NEAR);
      panel(tokens, cols, all_cols, bytes, kPanel, kPanel);
      add(r15, static_cast<int>(kPanel));
      jmp(loop, T_NEAR);
      L(last);
    }
    if (rest != 0) {
      cmp(r15, rcx);
      jae(done, T_NEAR);
      panel(tokens, cols, all_cols, bytes, rest, rest > kNarrow ? kPanel : kNarrow);
      L(done);
    }
  }

  // A panel of which `rows` exist, times the block's tokens. Weights are of so many bytes.
  void panel(int tokens, size_t cols, size_t all_cols, int bytes, int rows, int width) {
    Xbyak::Label none;
    mov(rsi, static_cast<size_t>(bytes) * all_cols);
    imul(rsi, r15);
    imul(rax, r13, bytes * width);
    add(rsi, rax);
    add(rsi, argument(offsetof(matmul_args, packed)));
    lea(r10, ptr[rbp + 4 * r15]);
    mov(r11, argument(offsetof(matmul_args, bias)));
    test(r11, r11);
    jz(none);
    lea(r11, ptr[r11 + 4 * r15]);
    L(none);
    mov(r9, argument(copies_ ? offsetof(matmul_args, scratch) : offsetof(matmul_args, x)));
    if (bytes == 2 && tokens > tile_tokens_) {  // converted once for all tiles
      lea(r14, ptr[r9 + tokens * kTokenBytes]);
      mov(rdx, r14);
      repeat(cols * static_cast<size_t>(width / kLanes), [&] {
        widen(Vec(0), ptr[rsi]);
        vmovups(ptr[rdx], Vec(0));
        add(rsi, 2 * kLanes);
        add(rdx, 4 * kLanes);
      });
      mov(rsi, r14);
      bytes = 4;
    }
    // Tiles of two sizes, one token apart.
    const int tiles = (tokens + tile_tokens_ - 1) / tile_tokens_;
    const int large = tokens % tiles;
    tiles_of(tokens / tiles + 1, large, cols, bytes, rows, width);
    tiles_of(tokens / tiles, tiles - large, cols, bytes, rows, width);
  }

  // The next `count` tiles of `size` tokens.
  void tiles_of(int size, int count, size_t cols, int bytes, int rows, int width) {
    if (count == 0) {
      return;
    }
    Xbyak::Label loop;
    mov(ebx, count);
    L(loop);
    const int vectors = (rows + kLanes - 1) / kLanes;
    for (int v = 0; v < vectors; v += vectors_of(size)) {
      const int here = vectors - v < vectors_of(size) ? vectors - v : vectors_of(size);
      tile(size, cols, bytes, {v * kLanes, here, width, v + here == vectors && rows % kLanes != 0});
    }
    imul(rax, r8, size);
    add(r10, rax);
    add(r9, size * kTokenBytes);
    dec(ebx);
    jnz(loop, T_NEAR);
  }

  // Each result is one running sum, whatever the tile: that of a token depends on no other.
  void tile(int size, size_t cols, int bytes, const Rows& rows) {
    const int vectors = rows.vectors;
    const auto sum = [&](int t, int i) { return Vec(t * vectors + i); };
    for (int i = 0; i < size * vectors; ++i) {
      vxorps(Xbyak::Xmm(i), Xbyak::Xmm(i), Xbyak::Xmm(i));
    }
    Xbyak::Label from_y;
    Xbyak::Label run;
    if (rows.masked) {
      load_mask(Vec(Vec::kRegisters - 1));
    }
    if (cols_ > kBlock && size_is_blocked(cols)) {
      test(r13, r13);
      jnz(from_y, T_NEAR);
    }
    test(r11, r11);
    jz(run, T_NEAR);
    for (int t = 0; t < size; ++t) {
      for (int i = 0; i < vectors; ++i) {
        load(sum(t, i), ptr[r11 + 4 * rows.first + i * Vec::kBytes], rows.is_masked(i));
      }
    }
    if (cols_ > kBlock && size_is_blocked(cols)) {
      jmp(run, T_NEAR);
      L(from_y);
      mov(rdx, r10);
      for (int t = 0; t < size; ++t) {
        for (int i = 0; i < vectors; ++i) {
          load(sum(t, i), ptr[rdx + 4 * rows.first + i * Vec::kBytes], rows.is_masked(i));
        }
        add(rdx, r8);
      }
    }
    L(run);

    lea(r14, ptr[rsi + bytes * rows.first]);
    mov(rdx, r9);
    const int unroll = size > 6 ? 2 : 4;  // not 8 for one token: see step in avx512.cpp
    const auto round = [&](int columns) {
      for (int u = 0; u < columns; ++u) {
        column(size, u, bytes, rows, sum);
      }
    };
    repeat(cols / static_cast<size_t>(unroll), [&] {
      round(unroll);
      add(r14, unroll * bytes * rows.width);
      add(rdx, unroll * 4);
    });
    round(static_cast<int>(cols % static_cast<size_t>(unroll)));

    if (rows.masked) {
      load_mask(Vec(Vec::kRegisters - 1));
    }
    mov(rdx, r10);
    for (int t = 0; t < size; ++t) {
      for (int i = 0; i < vectors; ++i) {
        store(ptr[rdx + 4 * rows.first + i * Vec::kBytes], sum(t, i), rows.is_masked(i));
      }
      if (t + 1 < size) {
        add(rdx, r8);
      }
    }
  }

  // Weights of 16 bits to floats.
  void widen(const Vec& to, const Xbyak::Address& from) {
#ifdef LAYOUT_bf16
    vpmovzxwd(to, from);
    vpslld(to, to, 16);
#else
    vcvtph2ps(to, from);
#endif
  }

  // Whether a tile of so many columns is a part of all.
  bool size_is_blocked(size_t cols) const { return cols != cols_; }

  // The products of column u of a round, added to sum(token, vector).
  template <class Sum>
  void column(int size, int u, int bytes, const Rows& rows, Sum&& sum) {
    constexpr int kFree = Vec::kRegisters - 4;
    const auto weights = [&](int i) { return ptr[r14 + u * bytes * rows.width + i * bytes * kLanes]; };
    const auto x = [&](int t) { return ptr[rdx + t * kTokenBytes + 4 * u]; };
    const auto load_weights = [&](const Vec& to, int i) {
      if (bytes == 2) {
        widen(to, weights(i));
      } else {
        vmovups(to, weights(i));
      }
    };
    for (int line = 0; prefetch_ != 0 && size > 1 && line < rows.vectors * kLanes * bytes; line += 64) {
      prefetcht0(ptr[r14 + u * bytes * rows.width + line + prefetch_]);
    }
    if (rows.vectors > 2 || size < rows.vectors) {  // the tokens stay in registers, the weights come one by one
      for (int t = 0; t < size; ++t) {
        vbroadcastss(Vec(kFree + t), x(t));
      }
      for (int i = 0; i < rows.vectors; ++i) {
        if (size == 1 && bytes == 4) {
          vfmadd231ps(sum(0, i), Vec(kFree), weights(i));
          continue;
        }
        const Vec w(kFree + 3);
        load_weights(w, i);
        for (int t = 0; t < size; ++t) {
          vfmadd231ps(sum(t, i), Vec(kFree + t), w);
        }
      }
      return;
    }
    for (int i = 0; i < rows.vectors; ++i) {
      load_weights(Vec(kFree + i), i);
    }
    for (int t = 0; t < size; ++t) {
      const Vec xt(Vec::kRegisters - 2 + t % 2);
      vbroadcastss(xt, x(t));
      for (int i = 0; i < rows.vectors; ++i) {
        vfmadd231ps(sum(t, i), xt, Vec(kFree + i));
      }
    }
  }

  const size_t rows_;
  const size_t cols_;
  const bool copies_;  // of the tokens are what tiles read
  const int prefetch_;
  const int tile_tokens_;
};

}  // namespace
