// The generator of the matmul family: the tile of tile.h for one {rows, cols, tokens}. Numbers of blocks and tiles and what is
// left of the last rows are constants; batches, rows, tiles and blocks are loops at run time.
//
// Unlike tile.h it knows the tiles when it prepares the tokens, so those of a tile lie side by side, block by block: one
// pointer walks through all tiles, and the tokens are small displacements from it.
#pragma once
#include "kernels/matmul/kernel.h"
#include "kernels/matmul/layout.h"
#include "kernels/shared/jit.h"

namespace {

//   rdi  arguments        r8   bytes of ldy                  r12  row_end, and while tokens are prepared a tile's tokens left
//   rax  blocks left      r9   bytes of a panel              r13  y of the tile, and while they are prepared a token's blocks
//   rsi  codes, or x      r10  y of the batch's first token  r14  prepared blocks
//   rdx  scales           r11  first row of the vectors      r15  panel
//   rbx  tiles left       rbp  bias of the row, or NULL      rcx  what is needed for a moment, as rax
template <class Vec, bool kVnni>
class MatmulGenerator : public VectorGenerator {
 public:
  MatmulGenerator(void* code, size_t capacity, size_t rows, size_t cols, size_t tokens)
      : VectorGenerator(code, capacity, rows % kLanes), blocks_(cols / kBlock), vectors_((rows + kLanes - 1) / kLanes) {
    if (rows == 0 || tokens == 0) {
      ret();
      return;
    }
    Xbyak::Label none;
    mov(rax, argument(offsetof(matmul_args, row_begin)));
    cmp(rax, argument(offsetof(matmul_args, row_end)));
    jae(none, T_NEAR);
    const Xbyak::Reg64 saved[] = {rbx, rbp, r12, r13, r14, r15};
    for (const auto& r : saved) {
      push(r);
    }
    sub(rsp, kFrame);
    all_batches(tokens);
    add(rsp, kFrame);
    for (int i = 5; i >= 0; --i) {
      pop(saved[i]);
    }
    vzeroupper();
    L(none);
    ret();
    constants();
  }

 private:
  static constexpr int kLanes = Vec::kLanes;
  static constexpr int kVectorsOfPanel = kPanel / kLanes;
  // Of the largest tile, as in avx512_tile.h and avx2_tile.h.
  static constexpr int kTokens = Vec::kWide ? 6 : 4;
  static constexpr int kVectors = Vec::kWide ? 2 : 1;
  static constexpr int kVectorsOfOne = 2;
  static constexpr int kSums = kTokens * kVectors;
  // Bytes of a prepared block: its scale, the sum of its codes times -kZero, and its codes, widened for products of 16 bits.
  static constexpr bool kWiden = LAYOUT_BITS == 8 && !kVnni;
  static constexpr int kPrepared = kWiden ? 72 : 40;
  // A step's codes are so many vectors: even and odd columns, low and high halves, or bits.
  static constexpr int kParts = LAYOUT_BITS == 1 ? 8 : LAYOUT_BITS == 8 && kVnni ? 1 : 2;
  // Sums of products are int16 until a block ends.
  static constexpr bool kShort = LAYOUT_BITS <= 4 && !kVnni;
  // On the stack: x of the batch, batches left.
  static constexpr int kFrame = 16;

  // The sums of floats, those of a block's products, and then these.
  static Vec sum(int i) { return Vec(i); }
  static Vec product(int i) { return Vec(kSums + i); }
  static Vec codes(int v, int part) { return Vec(2 * kSums + 2 * v + part); }
  static Vec factor() { return Vec(2 * kSums + 4); }
  static Vec moment() { return Vec(2 * kSums + 5); }
  static Vec part_mask() { return Vec(2 * kSums + 6); }
  static Vec ones() { return Vec(2 * kSums + 7); }

  Xbyak::Address argument(size_t offset) { return ptr[rdi + static_cast<int>(offset)]; }

  // Changes rax.
  void add_constant(const Xbyak::Reg64& to, size_t value) {
    mov(rax, value);
    add(to, rax);
  }

  void all_batches(size_t tokens) {
    mov(r8, argument(offsetof(matmul_args, ldy)));
    shl(r8, 2);
    mov(r9, panel_bytes(blocks_));
    mov(r10, argument(offsetof(matmul_args, y)));
    mov(rax, argument(offsetof(matmul_args, x)));
    mov(ptr[rsp], rax);
    if (kParts > 1) {
      vpbroadcastd(part_mask(), ptr[rip + part_mask_]);
    }
    if (kShort) {
      vpbroadcastd(ones(), ptr[rip + ones_]);
    }
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

  // Tiles of two sizes, one token apart: emit(size, how many).
  template <class Emit>
  void for_tiles(int tokens, Emit&& emit) {
    const int tiles = (tokens + kTokens - 1) / kTokens;
    const int large = tokens % tiles;
    if (large != 0) {
      emit(tokens / tiles + 1, large);
    }
    emit(tokens / tiles, tiles - large);
  }

  void batch(int tokens) {
    if (blocks_ != 0) {
      vpbroadcastd(xmm4, ptr[rip + bytes_of_one_]);
      vpbroadcastd(xmm5, ptr[rip + zeros_]);
      mov(rsi, ptr[rsp]);
      mov(r14, argument(offsetof(matmul_args, scratch)));
      for_tiles(tokens, [&](int size, int count) { prepare_tiles(size, count); });
      mov(ptr[rsp], rsi);
    }
    const int vectors = tokens == 1 ? kVectorsOfOne : kVectors;
    Xbyak::Label loop;
    Xbyak::Label one;
    Xbyak::Label done;
    mov(r11, argument(offsetof(matmul_args, row_begin)));
    mov(r12, argument(offsetof(matmul_args, row_end)));
    // row_begin is a multiple of 64, so what is left over is known.
    const bool odd = vectors == 2 && vectors_ % 2 != 0;
    if (vectors_ > 1 || !odd) {  // else there is one vector only
      L(loop);
      if (odd) {
        lea(rax, ptr[r11 + kLanes]);
        cmp(rax, r12);
        jae(one, T_NEAR);
      }
      rows(tokens, vectors);
      add(r11, vectors * kLanes);
      cmp(r11, r12);
      jb(loop, T_NEAR);
      jmp(done, T_NEAR);
    }
    if (odd) {
      L(one);
      rows(tokens, 1);
    }
    L(done);
    imul(rax, r8, tokens);
    add(r10, rax);
  }

  void prepare_tiles(int size, int count) {
    Xbyak::Label tile;
    Xbyak::Label token;
    mov(ebx, count);
    L(tile);
    mov(r12d, size);
    mov(r13, r14);
    L(token);
    mov(rdx, r13);
    repeat(blocks_, [&] {
      prepare();
      add(rsi, kXBytes);
      add(rdx, size * kPrepared);
    });
    add(r13, kPrepared);
    dec(r12d);
    jnz(token, T_NEAR);
    add_constant(r14, blocks_ * static_cast<size_t>(size * kPrepared));
    dec(ebx);
    jnz(tile, T_NEAR);
  }

  // The block at rsi to rdx.
  void prepare() {
    movzx(ecx, word[rsi]);
    vmovd(xmm2, ecx);
    vcvtph2ps(xmm2, xmm2);
    vmovss(ptr[rdx], xmm2);
    vmovdqu(xmm0, ptr[rsi + 2]);
    vmovdqu(xmm1, ptr[rsi + 18]);
    vpmaddubsw(xmm2, xmm4, xmm0);
    vpmaddubsw(xmm3, xmm4, xmm1);
    vpaddw(xmm2, xmm2, xmm3);
    vpmaddwd(xmm2, xmm2, xmm5);
    vpshufd(xmm3, xmm2, 0x4e);
    vpaddd(xmm2, xmm2, xmm3);
    vpshufd(xmm3, xmm2, 0xb1);
    vpaddd(xmm2, xmm2, xmm3);
    vmovd(ptr[rdx + 4], xmm2);
    for (int half = 0; half < 2; ++half) {
      const Xbyak::Xmm x(half);
      if (!kWiden) {
        vmovdqu(ptr[rdx + 8 + 16 * half], x);
        continue;
      }
      // Of each four columns the first and third, then the second and fourth.
      vpsllw(xmm2, x, 8);
      vpsraw(xmm2, xmm2, 8);
      vpsraw(xmm3, x, 8);
      vpunpckldq(x, xmm2, xmm3);
      vmovdqu(ptr[rdx + 8 + 32 * half], x);
      vpunpckhdq(x, xmm2, xmm3);
      vmovdqu(ptr[rdx + 24 + 32 * half], x);
    }
  }

  // All tokens of the batch and the vectors of rows from r11 on.
  void rows(int tokens, int vectors) {
    Xbyak::Label no_bias;
    mov(r15, r11);
    shr(r15, 4);
    imul(r15, r9);
    add(r15, argument(offsetof(matmul_args, packed)));
    lea(r13, ptr[r10 + 4 * r11]);
    mov(r14, argument(offsetof(matmul_args, scratch)));
    mov(rbp, argument(offsetof(matmul_args, bias)));
    test(rbp, rbp);
    jz(no_bias);
    lea(rbp, ptr[rbp + 4 * r11]);
    L(no_bias);
    for_tiles(tokens, [&](int size, int count) {
      Xbyak::Label loop;
      mov(ebx, count);
      L(loop);
      tile(size, vectors);
      dec(ebx);
      jnz(loop, T_NEAR);
    });
  }

  // The place of a vector in its panel.
  void set_codes_and_scales() {
    mov(rdx, blocks_ * kBlockCodes);
    add(rdx, r15);
    mov(rsi, r15);
    if (kVectorsOfPanel == 2) {
      mov(eax, r11d);
      and_(eax, kLanes);
      lea(rsi, ptr[rsi + 4 * rax]);
      lea(rdx, ptr[rdx + 2 * rax]);
    }
  }

  // At a distance from where the first vector of rows has its codes or scales, the same of another: `bytes` of a row.
  Xbyak::Address of_vector(const Xbyak::Reg64& first, int v, int bytes, int distance) {
    if (kVectorsOfPanel == 1 && v == 1) {
      return ptr[first + r9 + distance];
    }
    return ptr[first + v * kLanes * bytes + distance];
  }

  void tile(int size, int vectors) {
    set_codes_and_scales();
    for (int i = 0; i < size * vectors; ++i) {
      vxorps(Xbyak::Xmm(i), Xbyak::Xmm(i), Xbyak::Xmm(i));
    }
    repeat(blocks_, [&] {
      block(size, vectors);
      add(rsi, kBlockCodes);
      add(rdx, kBlockScales);
      add(r14, size * kPrepared);
    });
    Xbyak::Label masked;
    Xbyak::Label done;
    if (rest_ != 0) {
      lea(rax, ptr[r11 + vectors * kLanes]);
      cmp(rax, r12);
      ja(masked, T_NEAR);
    }
    store_tile(size, vectors, false);
    if (rest_ != 0) {
      jmp(done, T_NEAR);
      L(masked);
      load_mask(codes(0, 0));
      store_tile(size, vectors, true);
      L(done);
    }
  }

  // The products of a block of the tile's tokens and vectors of rows, times their scales.
  void block(int size, int vectors) {
    const int sums = size * vectors;
    for (int i = 0; !kShort && i < sums; ++i) {
      vpbroadcastd(product(i), ptr[r14 + i / vectors * kPrepared + 4]);
    }
    for (int step = 0; step < kSteps; ++step) {
      load_codes(step, vectors);
      for (int part = 0; part < kParts; ++part) {
        if (LAYOUT_BITS == 1) {
          take_bits(part, vectors);
        }
        for (int t = 0; t < size; ++t) {
          add_products(t, step, part, vectors);
        }
      }
    }
    for (int i = 0; i < sums; ++i) {
      const int start = i / vectors * kPrepared + 4;
      if (kShort) {
        vpmaddwd(product(i), product(i), ones());
        if constexpr (Vec::kWide) {
          vpaddd(product(i), product(i), ptr_b[r14 + start]);
        } else {
          vpbroadcastd(factor(), ptr[r14 + start]);
          vpaddd(product(i), product(i), factor());
        }
      }
      vcvtdq2ps(product(i), product(i));
    }
    for (int v = 0; v < vectors; ++v) {
      vcvtph2ps(codes(v, 0), of_vector(rdx, v, 2, 0));
    }
    for (int i = 0; i < sums; ++i) {
      const int scale = i / vectors * kPrepared;
      if constexpr (Vec::kWide) {
        vmulps(moment(), codes(i % vectors, 0), ptr_b[r14 + scale]);
      } else {
        vbroadcastss(moment(), ptr[r14 + scale]);
        vmulps(moment(), moment(), codes(i % vectors, 0));
      }
      vfmadd231ps(sum(i), product(i), moment());
    }
  }

  void load_codes(int step, int vectors) {
    for (int v = 0; v < vectors; ++v) {
      const auto from = of_vector(rsi, v, 4, step * kStep);
      const Vec low = codes(v, 0);
      const Vec high = codes(v, 1);
      if (LAYOUT_BITS == 1) {
        vmovaps(high, from);
        continue;
      }
      if (kParts == 1) {
        vmovaps(low, from);
        continue;
      }
      vmovaps(high, from);
      and_bits(low, high, part_mask());
      vpsrlw(high, high, LAYOUT_BITS);
      if (LAYOUT_BITS == 4) {
        and_bits(high, high, part_mask());
      }
    }
  }

  // Of the bytes in codes(v, 1) bit number `bit`, as the codes 0 and 2.
  void take_bits(int bit, int vectors) {
    for (int v = 0; v < vectors; ++v) {
      const Vec to = codes(v, 0);
      if (bit == 0) {
        vpsllw(to, codes(v, 1), 1);
      } else if (bit > 1) {
        vpsrlw(to, codes(v, 1), static_cast<uint8_t>(bit - 1));
      }
      and_bits(to, bit == 1 ? codes(v, 1) : to, part_mask());
    }
  }

  void and_bits(const Vec& to, const Vec& a, const Vec& b) {
    if constexpr (Vec::kWide) {
      vpandd(to, a, b);
    } else {
      vpand(to, a, b);
    }
  }

  // Those of four columns (or two, as words) of token t. Why int16 and int32 hold them: avx2.cpp.
  void add_products(int t, int step, int part, int vectors) {
    const int place = kWiden ? 8 * step + 4 * part : 4 * step + (LAYOUT_BITS == 1 ? 4 : 16) * part;
    const auto four = r14 + t * kPrepared + 8 + place;
    if (!kVnni) {
      vpbroadcastd(factor(), ptr[four]);
    }
    for (int v = 0; v < vectors; ++v) {
      const Vec to = product(t * vectors + v);
      const Vec from = codes(v, LAYOUT_BITS == 1 ? 0 : part);
      if constexpr (kVnni) {
        vpdpbusd(to, from, ptr_b[four]);
      } else if (kShort) {
        const bool first = step == 0 && part == 0;
        vpmaddubsw(first ? to : moment(), from, factor());
        if (!first) {
          vpaddw(to, to, moment());
        }
      } else {
        vpmaddwd(moment(), from, factor());
        vpaddd(to, to, moment());
      }
    }
  }

  // To r13, which goes on to the next tile. Masked: the last vector lacks rows.
  void store_tile(int size, int vectors, bool masked) {
    Xbyak::Label no_bias;
    test(rbp, rbp);
    jz(no_bias, T_NEAR);
    for (int v = 0; v < vectors; ++v) {
      load(moment(), ptr[rbp + v * Vec::kBytes], masked && v + 1 == vectors);
      for (int t = 0; t < size; ++t) {
        vaddps(sum(t * vectors + v), sum(t * vectors + v), moment());
      }
    }
    L(no_bias);
    for (int t = 0; t < size; ++t) {
      for (int v = 0; v < vectors; ++v) {
        store(ptr[r13 + v * Vec::kBytes], sum(t * vectors + v), masked && v + 1 == vectors);
      }
      add(r13, r8);
    }
  }

  void constants() {
    write_mask<Vec>();
    align(4);
    L(part_mask_);
    dd(LAYOUT_BITS == 8 ? 0x00ff00ff : LAYOUT_BITS == 4 ? 0x0f0f0f0f : 0x02020202);
    L(ones_);
    dd(0x00010001);
    L(bytes_of_one_);
    dd(0x01010101);
    L(zeros_);  // words of -kZero
    dd((0x10000u - kZero) * 0x10001u);
  }

  const size_t blocks_;
  const size_t vectors_;  ///< of all rows
  Xbyak::Label part_mask_, ones_, bytes_of_one_, zeros_;
};

}  // namespace
