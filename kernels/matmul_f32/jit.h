#pragma once
#include <stddef.h>

#include "kernels/matmul_f32/kernel.h"
#include "kernels/shared/jit.h"

// What the generators share. All is local to the file that includes it.
namespace {

// Packed: panels of two vectors of rows, column by column. The last panel has one vector if that holds the rows that are
// left; those that it lacks are zeros, and nothing that they give is stored.
template <class Vec>
size_t pack(void* packed, const float* w, size_t rows, size_t cols) {
  constexpr size_t kLanes = Vec::kLanes;
  const size_t packed_rows = (rows + kLanes - 1) / kLanes * kLanes;
  if (packed != nullptr) {
    float* to = static_cast<float*>(packed);
    for (size_t row = 0; row < packed_rows; row += 2 * kLanes) {
      const size_t width = packed_rows - row < 2 * kLanes ? kLanes : 2 * kLanes;
      for (size_t c = 0; c < cols; ++c, to += width) {
        for (size_t r = 0; r < width; ++r) {
          to[r] = row + r < rows ? w[(row + r) * cols + c] : 0;
        }
      }
    }
  }
  return packed_rows * cols * sizeof(float);
}

// Code for one {rows, cols, tokens}: trip counts, the sizes of the tiles, what is left over and its masks are
// constants. The blocking is that of avx2.cpp and avx512.cpp: a block of columns; in it a group of panels whose weights
// stay in L2; for each tile of tokens, copied so that their distance is a constant, the panels of the group.
//
//   rdi  arguments              r13  first column of the block     rbp  y of the tile's first token
//   r8   bytes of ldy           r14  first row of the group        r10  y of the panel
//   r9   bytes of ldx           rcx  end of the group              r11  bias of the panel, or NULL
//   r12  x of the tile          r15  first row of the panel        rbx  tiles left
//   rsi  weights                rdx  token in the copy             rax  what is needed for a moment
template <class Vec>
class Generator : public Xbyak::CodeGenerator {
 public:
  Generator(void* code, size_t capacity, size_t rows, size_t cols, size_t tokens)
      : CodeGenerator(capacity, code), rows_(rows), cols_(cols) {
    if (rows == 0 || tokens == 0) {
      ret();
      return;
    }
    const Xbyak::Reg64 saved[] = {rbx, rbp, r12, r13, r14, r15};
    for (const auto& r : saved) {
      push(r);
    }
    mov(r8, argument(offsetof(matmul_f32_args, ldy)));
    shl(r8, 2);
    mov(r9, argument(offsetof(matmul_f32_args, ldx)));
    shl(r9, 2);
    if constexpr (kZmm) {
      if (rows % kLanes != 0) {
        set_mask(k1, static_cast<int>(rows % kLanes));
      }
      if (cols % kLanes != 0) {
        set_mask(k2, static_cast<int>(cols % kLanes));
      }
    }
    if (tokens == 1) {
      decode();
    } else {
      prefill(tokens);
    }
    for (int i = 5; i >= 0; --i) {
      pop(saved[i]);
    }
    vzeroupper();
    ret();
    if constexpr (!kZmm) {
      emit_mask(row_mask_, static_cast<int>(rows % kLanes));
      emit_mask(copy_mask_, static_cast<int>(cols % kLanes));
    }
  }

 private:
  static constexpr int kLanes = Vec::kLanes;
  // Tokens: 2 x kTile sums, 2 vectors of weights and 2 broadcast tokens in the registers.
  static constexpr int kTile = (Vec::kRegisters - 4) / 2;
  static constexpr bool kZmm = kLanes == 16;
  static constexpr int kBytes = 4 * kLanes;
  static constexpr int kPanel = 2 * kLanes;
  static constexpr size_t kBlock = 256;  // columns
  // Bytes between the copied tokens: a cache line more than a block.
  static constexpr int kStride = 4 * (static_cast<int>(kBlock) + 16);
  static constexpr int kGroup = 8;  // panels
  // The weights are prefetched from L2 or beyond, this many bytes ahead: 2 to 3 % measured on Zen 5, but for one token
  // with narrow loads, which it slows.
  static constexpr int kAhead = 2048;
  // The copy, and what rsp was.
  static constexpr int kFrame = kTile * kStride + 64;

  /// What is known of a panel when its code is generated.
  struct Panel {
    int vectors;  ///< 1 or 2
    bool masked;  ///< its last vector is not full
    bool is_masked(int vector) const { return masked && vector + 1 == vectors; }
    int bytes() const { return vectors * kBytes; }  ///< of one column
  };

  Xbyak::Address argument(size_t offset) { return ptr[rdi + static_cast<int>(offset)]; }

  void set_mask(const Xbyak::Opmask& k, int lanes) {
    mov(eax, (1u << lanes) - 1);
    kmovw(k, eax);
  }

  void emit_mask(Xbyak::Label& label, int lanes) {
    align(32);
    L(label);
    for (int i = 0; i < kLanes; ++i) {
      dd(i < lanes ? 0xffffffffu : 0u);
    }
  }

  void decode() {
    mov(r15, argument(offsetof(matmul_f32_args, row_begin)));
    mov(rcx, argument(offsetof(matmul_f32_args, row_end)));
    mov(rbp, argument(offsetof(matmul_f32_args, y)));
    xor_(r13d, r13d);
    for_panels([&](const Panel& panel) {
      mov(rdx, argument(offsetof(matmul_f32_args, x)));
      tile(1, cols_, false, panel);
    });
  }

  void prefill(size_t tokens) {
    mov(rax, rsp);
    and_(rsp, -64);
    sub(rsp, kFrame);
    mov(ptr[rsp + kFrame - 64], rax);
    xor_(r13d, r13d);
    const size_t full = cols_ / kBlock * kBlock;
    if (full != 0) {
      Xbyak::Label loop;
      L(loop);
      block(tokens, kBlock);
      add(r13, static_cast<int>(kBlock));
      if (full > kBlock) {
        mov(rax, full);
        cmp(r13, rax);
        jb(loop, T_NEAR);
      }
    }
    if (cols_ == 0 || cols_ != full) {
      block(tokens, cols_ - full);
    }
    mov(rsp, ptr[rsp + kFrame - 64]);
  }

  void block(size_t tokens, size_t cols) {
    Xbyak::Label group;
    Xbyak::Label done;
    mov(r14, argument(offsetof(matmul_f32_args, row_begin)));
    L(group);
    mov(rcx, argument(offsetof(matmul_f32_args, row_end)));
    cmp(r14, rcx);
    jae(done, T_NEAR);
    lea(rax, ptr[r14 + kGroup * kPanel]);
    cmp(rcx, rax);
    cmova(rcx, rax);
    mov(r12, argument(offsetof(matmul_f32_args, x)));
    lea(r12, ptr[r12 + 4 * r13]);
    mov(rbp, argument(offsetof(matmul_f32_args, y)));
    // Tiles of two sizes, one token apart.
    const size_t tiles = (tokens + kTile - 1) / kTile;
    const size_t large = tokens % tiles;
    const int small = static_cast<int>(tokens / tiles);
    tiles_of(small + 1, large, cols);
    tiles_of(small, tiles - large, cols);
    add(r14, kGroup * kPanel);
    jmp(group, T_NEAR);
    L(done);
  }

  // `count` tiles of `size` tokens on all panels of the group.
  void tiles_of(int size, size_t count, size_t cols) {
    if (count == 0) {
      return;
    }
    Xbyak::Label loop;
    mov(rbx, count);
    L(loop);
    copy(size, cols);
    mov(r15, r14);
    for_panels([&](const Panel& panel) {
      mov(rdx, rsp);
      tile(size, cols, cols_ > kBlock, panel);
    });
    imul(rax, r8, size);
    add(rbp, rax);
    dec(rbx);
    jnz(loop, T_NEAR);
  }

  // The block's columns of `size` tokens from r12 on to the stack; r12 goes on to the next token.
  void copy(int size, size_t cols) {
    const int vectors = static_cast<int>(cols / kLanes);
    const bool rest = cols % kLanes != 0;
    Xbyak::Label loop;
    mov(rdx, rsp);
    mov(eax, size);
    if (!kZmm && rest) {
      vmovups(Vec(4), ptr[rip + copy_mask_]);
    }
    L(loop);
    for (int i = 0; i < vectors; ++i) {
      vmovups(Vec(i % 4), ptr[r12 + i * kBytes]);
      vmovaps(ptr[rdx + i * kBytes], Vec(i % 4));
    }
    if (rest) {
      if constexpr (kZmm) {
        vmovups(Vec(0) | k2 | T_z, ptr[r12 + vectors * kBytes]);
      } else {
        vmaskmovps(Vec(0), Vec(4), ptr[r12 + vectors * kBytes]);
      }
      vmovaps(ptr[rdx + vectors * kBytes], Vec(0));
    }
    add(r12, r9);
    add(rdx, kStride);
    dec(eax);
    jnz(loop, T_NEAR);
  }

  // The code that `emit` writes for the panels from r15 to rcx: once for the full ones, and again for the last one of all
  // rows if that is not.
  template <class Emit>
  void for_panels(Emit&& emit) {
    Xbyak::Label loop;
    Xbyak::Label last;
    Xbyak::Label done;
    const int rest = static_cast<int>(rows_ % kPanel);
    if (rows_ >= kPanel) {
      L(loop);
      lea(rax, ptr[r15 + kPanel]);
      cmp(rax, rcx);
      ja(last, T_NEAR);
      const Panel full{2, false};
      set_panel(full);
      emit(full);
      add(r15, kPanel);
      jmp(loop, T_NEAR);
      L(last);
    }
    if (rest != 0) {
      cmp(r15, rcx);
      jae(done, T_NEAR);
      const Panel partial{rest > kLanes ? 2 : 1, rest % kLanes != 0};
      set_panel(partial);
      emit(partial);
      L(done);
    }
  }

  // The pointers to the panel's weights, bias and y.
  void set_panel(const Panel& panel) {
    Xbyak::Label none;
    mov(rsi, 4 * cols_);
    imul(rsi, r15);
    imul(rax, r13, panel.bytes());
    add(rsi, rax);
    add(rsi, argument(offsetof(matmul_f32_args, packed)));
    lea(r10, ptr[rbp + 4 * r15]);
    mov(r11, argument(offsetof(matmul_f32_args, bias)));
    test(r11, r11);
    jz(none);
    lea(r11, ptr[r11 + 4 * r15]);
    L(none);
  }

  // y of `size` tokens and one panel. Few tokens have too few sums to hide the latency of an FMA, so consecutive
  // columns then go to different ones.
  void tile(int size, size_t cols, bool several_blocks, const Panel& panel) {
    const int split = cols < 4 ? 1 : size == 1 ? 4 : size <= 3 ? 2 : 1;
    const int vectors = panel.vectors;
    const auto sum = [&](int s, int t, int i) { return Vec((s * size + t) * vectors + i); };
    for (int i = 0; i < split * size * vectors; ++i) {
      vxorps(Xbyak::Xmm(i), Xbyak::Xmm(i), Xbyak::Xmm(i));
    }
    Xbyak::Label from_y;
    Xbyak::Label run;
    if (several_blocks) {
      test(r13, r13);
      jnz(from_y, T_NEAR);
    }
    test(r11, r11);
    jz(run, T_NEAR);
    for (int t = 0; t < size; ++t) {
      for (int i = 0; i < vectors; ++i) {
        load(sum(0, t, i), r11, i, panel);
      }
    }
    if (several_blocks) {
      jmp(run, T_NEAR);
      L(from_y);
      mov(rax, r10);
      for (int t = 0; t < size; ++t) {
        for (int i = 0; i < vectors; ++i) {
          load(sum(0, t, i), rax, i, panel);
        }
        add(rax, r8);
      }
    }
    L(run);

    const int unroll = size > 6 ? 2 : size > 1 || kZmm ? 4 : 8;  // 4 with kZmm: see kStep in avx512.cpp
    const auto column = [&](int u) {
      const int s = u % split;
      const int at = u * panel.bytes();
      const auto weights = [](int i) { return Vec(Vec::kRegisters - 4 + i); };
      for (int line = 0; (size > 1 || kZmm) && line < panel.bytes(); line += 64) {
        prefetcht0(ptr[rsi + at + line + kAhead]);
      }
      for (int i = 0; size > 1 && i < vectors; ++i) {
        vmovaps(weights(i), ptr[rsi + at + i * kBytes]);
      }
      for (int t = 0; t < size; ++t) {
        const Vec x(Vec::kRegisters - 2 + (size > 1 ? t : u) % 2);
        vbroadcastss(x, ptr[rdx + t * kStride + 4 * u]);
        for (int i = 0; i < vectors; ++i) {
          if (size > 1) {
            vfmadd231ps(sum(s, t, i), x, weights(i));
          } else {
            vfmadd231ps(sum(s, t, i), x, ptr[rsi + at + i * kBytes]);
          }
        }
      }
    };
    const size_t rounds = cols / static_cast<size_t>(unroll);
    if (rounds > 0) {
      Xbyak::Label loop;
      mov(rax, rounds);
      align(32);
      L(loop);
      for (int u = 0; u < unroll; ++u) {
        column(u);
      }
      add(rsi, unroll * panel.bytes());
      add(rdx, unroll * 4);
      dec(rax);
      jnz(loop, T_NEAR);
    }
    for (int u = 0; u < static_cast<int>(cols % static_cast<size_t>(unroll)); ++u) {
      column(u);
    }

    for (int half_split = split / 2; half_split > 0; half_split /= 2) {
      for (int s = 0; s < half_split; ++s) {
        for (int t = 0; t < size; ++t) {
          for (int i = 0; i < vectors; ++i) {
            vaddps(sum(s, t, i), sum(s, t, i), sum(s + half_split, t, i));
          }
        }
      }
    }
    for (int t = 0; t < size; ++t) {
      for (int i = 0; i < vectors; ++i) {
        store(r10, i, sum(0, t, i), panel);
      }
      if (t + 1 < size) {
        add(r10, r8);
      }
    }
  }

  void load(const Vec& to, const Xbyak::Reg64& from, int i, const Panel& panel) {
    const auto address = ptr[from + i * kBytes];
    if (!panel.is_masked(i)) {
      vmovups(to, address);
    } else if constexpr (kZmm) {
      vmovups(to | k1 | T_z, address);
    } else {
      vmovups(ymm15, ptr[rip + row_mask_]);
      vmaskmovps(to, ymm15, address);
    }
  }

  void store(const Xbyak::Reg64& to, int i, const Vec& from, const Panel& panel) {
    const auto address = ptr[to + i * kBytes];
    if (!panel.is_masked(i)) {
      vmovups(address, from);
    } else if constexpr (kZmm) {
      vmovups(address | k1, from);
    } else {
      vmovups(ymm15, ptr[rip + row_mask_]);
      vmaskmovps(address, ymm15, from);
    }
  }

  size_t rows_;
  size_t cols_;
  Xbyak::Label row_mask_;  // of the last vector of all rows
  Xbyak::Label copy_mask_;
};

}  // namespace
