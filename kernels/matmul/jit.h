// The generator of the matmul family: the tile of tile.h for one {rows, cols, tokens}. Numbers of blocks and tiles and what is
// left of the last rows are constants; batches, rows, tiles and blocks are loops at run time.
//
// Unlike tile.h it knows the tiles when it prepares the tokens, so those of a tile lie side by side, block by block: one
// pointer walks through all tiles, and the tokens are small displacements from it. What kZero takes off for a pair of integer scales
// lies before the codes that are multiplied with them.
#pragma once
#include "kernels/matmul/kernel.h"
#include "kernels/matmul/layout.h"
#include "kernels/shared/jit.h"

namespace {

//   rdi  arguments        r8   bytes of ldy                  r12  row_end, and while tokens are prepared a tile's tokens left
//   rax  blocks left      r9   bytes of a panel              r13  y of the tile, and while they are prepared a token's blocks
//   rsi  codes, or x      r10  y of the batch's first token  r14  prepared blocks
//   rdx  scales           r11  first row of the vectors      r15  panel
//   rbx  tiles left       rbp  bias of the row, or NULL      rcx  parts of a block left; for a moment, as rax
template <class Vec, bool kVnni>
class MatmulGenerator : public VectorGenerator {
 public:
  MatmulGenerator(void* code, size_t capacity, size_t rows, size_t cols, size_t tokens, size_t prefetch, size_t tile)
      : VectorGenerator(code, capacity, rows % kLanes),
        blocks_(cols / kColumns),
        vectors_((rows + kLanes - 1) / kLanes),
        prefetch_(static_cast<int>(prefetch)),
        tile_tokens_(tile == 0 || tile > kTokens ? kTokens : static_cast<int>(tile)),
        apart_(LAYOUT_I8_S ? static_cast<int>(kXHead + cols) : kPrepared) {
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
    mov(rax, rsp);
    sub(rsp, kFrame + 64);
    and_(rsp, -64);
    mov(ptr[rsp + kCallersStack], rax);
    all_batches(tokens);
    mov(rsp, ptr[rsp + kCallersStack]);
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
  // How codes are multiplied, as in tile.h: as words, by VPMADDUBSW, or by VPDPBUSD.
  static constexpr bool kWords = kWideCodes && !kVnni;
  static constexpr bool kShort = !kWideCodes && !kVnni;
  static constexpr int kGroupBytes = kWords ? 8 : 4;  // of prepared codes
  // Groups after which products of int16 are taken; of the codes 0, 1 and 2 all of a block's fit.
  static constexpr int kRun = kSub == 16 || kMostCode > 15 ? 4 : 8;
  // A block's integers add up in registers of their own, those of the float sums, which are in memory then.
  static constexpr bool kTotals =
      LAYOUT_SUB_SCALES || (LAYOUT_I8_S && kShort) || (kShort && !LAYOUT_TRITS && (LAYOUT_Q8_K || kRun < 8));
  // Integer scales fit with what they multiply in one VPMADDWD.
  static constexpr bool kScalesAsWords =
      (kZero > kMostCode - kZero ? int{kZero} : kMostCode - kZero) * 127 * kSub <= 32767;

  // Of a prepared block: its scale, and as in tile.h what kZero takes off, or the scale times the sum of the codes; for minima the sums
  // of x; then its parts, the chunks or what a pair of integer scales is for.
  static constexpr bool kStarts = LAYOUT_SUB_SCALES && kZero != 0;
  static constexpr int kXParts = kXSums + (LAYOUT_SUB_SCALES && LAYOUT_MINIMA ? 4 * kPairs : 0);
  static constexpr int kPartColumns = LAYOUT_SUB_SCALES ? 2 * kSub : LAYOUT_TRITS ? kGroup * kTritGroups : int{kChunk};
  static constexpr int kPartStarts = kStarts ? 8 : 0;
  static constexpr int kPartBytes = kPartStarts + kPartColumns / kGroup * kGroupBytes;
  static constexpr int kParts = LAYOUT_TRITS ? kTritVectors - 1 : kXColumns / kPartColumns;  // a last one is shorter
  static constexpr int kPrepared = kXParts + (kStarts ? 8 * kPairs : 0) + kXColumns / kGroup * kGroupBytes;
  static_assert(kPrepared <= kScratch, "the contract gives so much");

  // On the stack: x of the batch, batches left, where the stack was, and the float sums.
  static constexpr int kCallersStack = 16;
  static constexpr int kFloats = 64;
  static constexpr int kFrame = kFloats + (kTotals && !LAYOUT_I8_S ? kSums * Vec::kBytes : 0);

  // The sums of floats or the totals, those of products, and then these.
  static Vec sum(int i) { return Vec(i); }
  static Vec product(int i) { return Vec(kSums + i); }
  static Vec codes(int v) { return Vec(2 * kSums + v); }
  static Vec moment() { return Vec(2 * kSums + 2); }
  static Vec factor() { return Vec(2 * kSums + 3); }
  static Vec rest_of_codes(int v) { return Vec(2 * kSums + 4 + v); }  // odd columns, or what is left of trits
  static constexpr int kFirstConstant = 2 * kSums + (kWords || LAYOUT_TRITS ? 6 : 4);

  // Vectors of constants; the first that are needed are in registers.
  enum Constant { kLowMask, kHighMask, kCodeTable, kOnes, kNibbles, kByteOnes, kNoBytes, kLowWords, kConstants };
  static constexpr bool needed(int c) {
    switch (c) {
      case kLowMask:
        return kLowBits < 8;
      case kHighMask:
        return kHighBits != 0;
      case kCodeTable:
        return LAYOUT_TABLE;
      case kOnes:
        return kShort && !LAYOUT_SUB_SCALES;
      case kNibbles:
        return LAYOUT_SUB_SCALES && kSubMinimaAt == kSubScalesAt;
      case kLowWords:
        return kWords || (LAYOUT_SUB_SCALES && !kShort && kScalesAsWords);
      default:  // kByteOnes, kNoBytes
        return LAYOUT_TRITS;
    }
  }
  static constexpr int register_of(int constant) {
    int next = kFirstConstant;
    for (int c = 0; c < constant; ++c) {
      next += needed(c) ? 1 : 0;
    }
    return next;
  }
  // Where a constant lies, among those that are needed.
  Xbyak::Address constant(int c) { return ptr[rip + constants_ + (register_of(c) - kFirstConstant) * 64]; }
  // emit(operand) with the register of a constant, or its place in memory.
  template <class Emit>
  void with(Constant c, Emit&& emit) {
    if (register_of(c) < Vec::kRegisters) {
      emit(Vec(register_of(c)));
    } else {
      emit(constant(c));
    }
  }
  static uint32_t word_of(int c, [[maybe_unused]] int i) {
    static constexpr int kPlace = LAYOUT_BITS == 1 && !LAYOUT_TRITS ? 1 : 0;  // of u1 codes are 0 and 2
    switch (c) {
      case kLowMask:
        return (LAYOUT_TRITS ? 3u : ((1u << kLowBits) - 1) << kPlace) * 0x01010101u;
      case kHighMask:
        return (((1u << kHighBits) - 1) << kLowBits) * 0x01010101u;
      case kOnes:
        return 0x00010001;
      case kNibbles:
        return 0x000f000f;
      case kByteOnes:
        return 0x01010101;
      case kLowWords:
        return kWords ? 0x00ff00ff : 0x0000ffff;
      case kCodeTable: {
        uint32_t four = 0;
#if LAYOUT_TABLE
        memcpy(&four, kTable + 4 * (i % 4), 4);
#endif
        return four;
      }
      default:
        return 0;
    }
  }

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
    const int tiles = (tokens + tile_tokens_ - 1) / tile_tokens_;
    const int large = tokens % tiles;
    if (large != 0) {
      emit(tokens / tiles + 1, large);
    }
    emit(tokens / tiles, tiles - large);
  }

  void batch(int tokens) {
    if (blocks_ != 0 && !LAYOUT_I8_S) {
      vpbroadcastd(xmm4, ptr[rip + bytes_of_one_]);
      vpbroadcastd(xmm5, ptr[rip + zeros_]);
      mov(rsi, ptr[rsp]);
      mov(r14, argument(offsetof(matmul_args, scratch)));
      for_tiles(tokens, [&](int size, int count) { prepare_tiles(size, count); });
      mov(ptr[rsp], rsi);
    }
    for (int c = 0; c < kConstants; ++c) {
      if (needed(c) && register_of(c) < Vec::kRegisters) {
        vmovaps(Vec(register_of(c)), constant(c));
      }
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
    if (LAYOUT_I8_S) {
      mov(rax, static_cast<size_t>(tokens) * static_cast<size_t>(apart_));
      add(ptr[rsp], rax);
    }
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
    repeat(blocks_ * kXOfBlock, [&] {
      prepare();
      add(rsi, kXBytes);
      add(rdx, size * kPrepared);
    });
    add(r13, kPrepared);
    dec(r12d);
    jnz(token, T_NEAR);
    add_constant(r14, blocks_ * static_cast<size_t>(kXOfBlock * size * kPrepared));
    dec(ebx);
    jnz(tile, T_NEAR);
  }

  // The block at rsi to rdx. xmm4 has bytes of 1, xmm5 words of -kZero, or of 1 where that is 0.
  void prepare() {
    if (LAYOUT_Q8_K) {
      mov(ecx, ptr[rsi]);
      mov(ptr[rdx], ecx);
    } else {
      movzx(ecx, word[rsi]);
      vmovd(xmm2, ecx);
      vcvtph2ps(xmm2, xmm2);
      vmovss(ptr[rdx], xmm2);
    }
    if (!LAYOUT_Q8_K) {
      vmovdqu(xmm0, ptr[rsi + 2]);
      vmovdqu(xmm1, ptr[rsi + 18]);
      vpmaddubsw(xmm2, xmm4, xmm0);
      vpmaddubsw(xmm3, xmm4, xmm1);
      vpaddw(xmm2, xmm2, xmm3);
      vpmaddwd(xmm2, xmm2, xmm5);
      add_lanes(xmm2, xmm3);
      if (LAYOUT_MINIMA) {
        vcvtdq2ps(xmm2, xmm2);
        vmulss(xmm2, xmm2, ptr[rdx]);
      }
      vmovd(ptr[rdx + 4], xmm2);
    } else if (!LAYOUT_SUB_SCALES) {
      vpmaddwd(xmm2, xmm5, ptr[rsi + kQ8KSums]);
      vpmaddwd(xmm3, xmm5, ptr[rsi + kQ8KSums + 16]);
      vpaddd(xmm2, xmm2, xmm3);
      add_lanes(xmm2, xmm3);
      vmovd(ptr[rdx + 4], xmm2);
    } else if (LAYOUT_MINIMA) {
      vmovdqu(xmm0, ptr[rsi + kQ8KSums]);
      vmovdqu(xmm1, ptr[rsi + kQ8KSums + 16]);
      if (kSub == 16) {
        vmovdqu(ptr[rdx + kXSums], xmm0);
        vmovdqu(ptr[rdx + kXSums + 16], xmm1);
      } else {
        vphaddw(xmm0, xmm0, xmm1);
        vmovdqu(ptr[rdx + kXSums], xmm0);
      }
    } else if (!kShort) {
      vpxor(xmm3, xmm3, xmm3);
      for (int i = 0; i < kPairs; ++i) {
        if (kSub == 16) {
          vmovd(xmm2, ptr[rsi + kQ8KSums + 4 * i]);
          vpunpcklwd(xmm2, xmm2, xmm3);
        } else {  // two sums each
          vmovq(xmm2, ptr[rsi + kQ8KSums + 8 * i]);
        }
        vpmaddwd(xmm2, xmm2, xmm5);
        vmovq(ptr[rdx + kXParts + i * kPartBytes], xmm2);
      }
    }
    for (int i = 0; i < kXColumns / 16; ++i) {
      const Xbyak::Xmm x = xmm0;
      vmovdqu(x, ptr[rsi + (LAYOUT_Q8_K ? 4 : 2) + 16 * i]);
      // Trits' parts follow each other without a gap.
      const int part = LAYOUT_TRITS ? 0 : 16 * i / kPartColumns;
      const int in_part = 4 * i - part * kPartColumns / kGroup;
      const int to = kXParts + part * kPartBytes + kPartStarts + in_part * kGroupBytes;
      if (kStarts && kShort) {
        vpmaddubsw(xmm2, xmm4, x);
        vpshufd(xmm3, xmm2, 0x4e);
        vpaddw(xmm2, xmm2, xmm3);
        vpshufd(xmm3, xmm2, 0xb1);
        vpaddw(xmm2, xmm2, xmm3);
        vpmullw(xmm2, xmm2, xmm5);
        vmovd(ptr[rdx + kXParts + part * kPartBytes + 4 * (i % 2)], xmm2);
      }
      if (!kWords) {
        vmovdqu(ptr[rdx + to], x);
        continue;
      }
      // Of each four columns the first and third, then the second and fourth.
      vpsllw(xmm2, x, 8);
      vpsraw(xmm2, xmm2, 8);
      vpsraw(xmm3, x, 8);
      vpunpckldq(xmm1, xmm2, xmm3);
      vmovdqu(ptr[rdx + to], xmm1);
      vpunpckhdq(xmm1, xmm2, xmm3);
      vmovdqu(ptr[rdx + to + 16], xmm1);
    }
  }

  // The sum of the four lanes of x, in each.
  void add_lanes(const Xbyak::Xmm& x, const Xbyak::Xmm& other) {
    vpshufd(other, x, 0x4e);
    vpaddd(x, x, other);
    vpshufd(other, x, 0xb1);
    vpaddd(x, x, other);
  }

  // All tokens of the batch and the vectors of rows from r11 on.
  void rows(int tokens, int vectors) {
    Xbyak::Label no_bias;
    mov(r15, r11);
    shr(r15, 4);
    imul(r15, r9);
    add(r15, argument(offsetof(matmul_args, packed)));
    lea(r13, ptr[r10 + 4 * r11]);
    if (LAYOUT_I8_S) {  // x is not prepared
      mov(r14, ptr[rsp]);
    } else {
      mov(r14, argument(offsetof(matmul_args, scratch)));
    }
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
      lea(rdx, ptr[rdx + int{kScaleBytes} * rax]);
    }
  }

  // At a distance from where the first vector of rows has its codes or scales, the same of another: `bytes` of a row.
  Xbyak::Address of_vector(const Xbyak::Reg64& first, int v, int bytes, int distance) {
    if (kVectorsOfPanel == 1 && v == 1) {
      return ptr[first + r9 + distance];
    }
    return ptr[first + v * kLanes * bytes + distance];
  }

  // As in tile.h: the line of a vector of codes, and a block's scales, in each of the vectors' panels.
  void prefetch_codes(int vector, int size, int vectors) {
    for (int v = 0; prefetch_ != 0 && size == 1 && v < vectors; v += kVectorsOfPanel) {
      prefetcht0(of_vector(rsi, v, 4, vector * kVector + prefetch_));
    }
  }
  void prefetch_group(int chunk, int g, int size, int vectors) {
    if (g * kLowBits % 8 == 0) {
      prefetch_codes(chunk * kChunkVectors + g * kLowBits / 8, size, vectors);
    }
    if (kHighBits != 0 && g * kHighBits % 8 == 0) {
      prefetch_codes(chunk * kChunkVectors + kLowVectors + g * kHighBits / 8, size, vectors);
    }
  }
  void prefetch_scales(int size, int vectors) {
    const int ahead = (prefetch_ / kBlockCodes + 1) * kBlockScales;
    for (int v = 0; prefetch_ != 0 && size == 1 && v < vectors; v += kVectorsOfPanel) {
      for (int line = 0; line < kBlockScales; line += 64) {
        prefetcht0(of_vector(rdx, v, kScaleBytes, line + ahead));
      }
    }
  }

  Xbyak::Address float_in_memory(int i) { return ptr[rsp + kFloats + i * Vec::kBytes]; }

  void tile(int size, int vectors) {
    set_codes_and_scales();
    if constexpr (LAYOUT_I8_S) {
      multiply_rows(size, vectors);
    } else {
      multiply_blocks(size, vectors);
    }
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
      load_mask(codes(0));
      store_tile(size, vectors, true);
      L(done);
    }
  }

  // The float sums of a tile.
  void multiply_blocks(int size, int vectors) {
    const int sums = size * vectors;
    for (int i = 0; i < sums; ++i) {
      clear(sum(i));
      if (kTotals) {
        vmovaps(float_in_memory(i), sum(i));
      }
    }
    repeat(blocks_, [&] {
      prefetch_scales(size, vectors);
      if (kXOfBlock == 1) {
        block_of_x(size, vectors);
      } else {
        Xbyak::Label part;
        mov(ecx, int{kXOfBlock});
        L(part);
        block_of_x(size, vectors);
        dec(ecx);
        jnz(part, T_NEAR);
      }
      add(rdx, kBlockScales);
    });
    for (int i = 0; kTotals && i < sums; ++i) {
      vmovaps(sum(i), float_in_memory(i));
    }
  }

  // Likewise where all columns share a scale of x: r14 goes over its codes, and then on to the next tile's tokens.
  void multiply_rows(int size, int vectors) {
    const int sums = size * vectors;
    const auto total = [](int i) { return kTotals ? sum(i) : product(i); };
    const int row = static_cast<int>(blocks_) * kColumns;
    for (int i = 0; i < sums; ++i) {
      clear(total(i));
    }
    for (int t = 0; t < size; ++t) {
      vpbroadcastd(factor(), ptr[r14 + t * apart_ + 4]);
      for (int v = 0; v < vectors; ++v) {
        for (int zeros = 0; zeros < kZero; ++zeros) {
          vpsubd(total(t * vectors + v), total(t * vectors + v), factor());
        }
      }
    }
    repeat(blocks_ * (kColumns / kPartColumns), [&] {
      part(size, vectors);
      add(rsi, kPartVectors * kVector);
      add(r14, kPartColumns);
    });
    for (int t = 0; t < size; ++t) {
      vbroadcastss(moment(), ptr[r14 + t * apart_ - row]);
      for (int v = 0; v < vectors; ++v) {
        const int i = t * vectors + v;
        if (blocks_ == 0) {
          clear(sum(i));
          continue;
        }
        vcvtdq2ps(sum(i), total(i));
        vmulps(sum(i), sum(i), moment());
      }
    }
    add_constant(r14, static_cast<size_t>(size) * static_cast<size_t>(apart_) - static_cast<size_t>(row));
  }

  void clear(const Vec& v) {
    if constexpr (Vec::kWide) {
      vpxord(v, v, v);
    } else {
      vpxor(v, v, v);
    }
  }

  // A block of x, with the codes at rsi, which goes on behind them, as r14 does; rdx has the block's scales.
  void block_of_x(int size, int vectors) {
    const int sums = size * vectors;
    const bool start = !LAYOUT_SUB_SCALES && kZero != 0;
    for (int i = 0; i < sums; ++i) {
      const auto start_at = ptr[r14 + i / vectors * kPrepared + 4];
      const Vec to = kTotals ? sum(i) : product(i);
      if (kTotals || !kShort) {
        if (start) {
          vpbroadcastd(to, start_at);
        } else {
          clear(to);
        }
      } else if (LAYOUT_TRITS) {
        clear(product(i));
      }
    }
    if (kXOfBlock == 1 && kParts > 1) {
      Xbyak::Label loop;
      mov(ecx, kParts);
      L(loop);
      part(size, vectors);
      add(rsi, kPartVectors * kVector);
      add(r14, kPartBytes);
      if (LAYOUT_SUB_SCALES) {
        add(rdx, kUnit);
      }
      dec(ecx);
      jnz(loop, T_NEAR);
      x_at_ = -kParts * kPartBytes;
      scales_at_ = LAYOUT_SUB_SCALES ? -kPairs * kUnit : 0;
      if (LAYOUT_TRITS) {
        trits(size, vectors, kXColumns / kGroup - kParts * kTritGroups);
        add(rsi, kVector);
      }
    } else {
      part(size, vectors);
      add(rsi, kPartVectors * kVector);
    }
    take_integers(size, vectors);
    if (LAYOUT_MINIMA) {
      take_minima(size, vectors);
    }
    add(r14, size * kPrepared + x_at_);
    if (scales_at_ != 0) {
      sub(rdx, -scales_at_);
    }
    x_at_ = 0;
    scales_at_ = 0;
  }

  // The codes of a part are so many vectors.
  static constexpr int kPartVectors = LAYOUT_TRITS ? 1 : kPartColumns / kChunk * kChunkVectors;

  // A part of the block: 32 columns, or those of a pair of integer scales.
  void part(int size, int vectors) {
    if (LAYOUT_TRITS) {
      trits(size, vectors, kTritGroups);
      return;
    }
    if (!LAYOUT_SUB_SCALES) {
      for (int first = 0; first < 8; first += kShort ? kRun : 8) {
        add_groups(0, first, kShort ? kRun : 8, kShort, size, vectors);
        if (kTotals) {
          with(kOnes, [&](const auto& ones) {
            for (int i = 0; i < size * vectors; ++i) {
              vpmaddwd(product(i), product(i), ones);
              vpaddd(sum(i), sum(i), product(i));
            }
          });
        }
      }
      return;
    }
    for (int half = 0; half < 2; ++half) {
      const int groups = kSub / kGroup;
      const int step = kShort && kRun < groups ? kRun : groups;
      for (int first = 0; first < groups; first += step) {
        for (int i = 0; i < size * vectors; ++i) {
          if (kStarts && first == 0) {
            vpbroadcastd(product(i), ptr[r14 + i / vectors * kPrepared + kXParts + 4 * half]);
          } else if (!kShort) {
            clear(product(i));
          }
        }
        const int chunk = kSub == 16 ? 0 : half;
        add_groups(chunk, (kSub == 16 ? 4 * half : 0) + first, step, kShort && !(kStarts && first == 0), size, vectors);
        take_sub(half, size, vectors);
      }
    }
  }

  // Products of the groups first .. first + count - 1 of a chunk of the part. Fresh: they replace what was in their registers.
  void add_groups(int chunk, int first, int count, bool fresh, int size, int vectors) {
    for (int g = first; g < first + count; ++g) {
      prefetch_group(chunk, g, size, vectors);
      load_codes(chunk, g, vectors);
      const int at = (LAYOUT_I8_S ? int{kXHead} : kXParts) + kPartStarts + (8 * chunk + g) * kGroupBytes;
      add_products(at, fresh && g == first, size, vectors);
    }
  }

  void load_codes(int chunk, int g, int vectors) {
    for (int v = 0; v < vectors; ++v) {
      const Vec to = codes(v);
      const int vector = chunk * kChunkVectors + g * kLowBits / 8;
      const auto from = of_vector(rsi, v, 4, vector * kVector);
      if (kLowBits == 8) {
        vmovaps(to, from);
      } else {
        move_bits(to, from, g * kLowBits % 8, LAYOUT_BITS == 1 ? 1 : 0);
        with(kLowMask, [&](const auto& mask) { and_bits(to, to, mask); });
      }
      if (kHighBits != 0) {
        const int high = chunk * kChunkVectors + kLowVectors + g * kHighBits / 8;
        move_bits(moment(), of_vector(rsi, v, 4, high * kVector), g * kHighBits % 8, kLowBits);
        with(kHighMask, [&](const auto& mask) {
          if constexpr (Vec::kWide) {
            vpternlogd(to, moment(), mask, 0xf8);  // to | (moment & mask)
          } else {
            vpand(moment(), moment(), mask);
            vpor(to, to, moment());
          }
        });
      }
      if (LAYOUT_TABLE) {
        with(kCodeTable, [&](const auto& table) {
          vmovaps(moment(), table);
          vpshufb(to, moment(), to);
        });
      }
      if (kWords) {
        vpsrlw(rest_of_codes(v), to, 8);
        with(kLowWords, [&](const auto& mask) { and_bits(to, to, mask); });
      }
    }
  }

  // The bytes in memory, shifted so that the bits from place `place` on are at `wanted`.
  void move_bits(const Vec& to, const Xbyak::Address& from, int place, int wanted) {
    if constexpr (Vec::kWide) {
      if (place > wanted) {
        vpsrlw(to, from, static_cast<uint8_t>(place - wanted));
        return;
      }
      if (place < wanted) {
        vpsllw(to, from, static_cast<uint8_t>(wanted - place));
        return;
      }
    }
    vmovaps(to, from);
    if (place > wanted) {
      vpsrlw(to, to, static_cast<uint8_t>(place - wanted));
    } else if (place < wanted) {
      vpsllw(to, to, static_cast<uint8_t>(wanted - place));
    }
  }

  template <class Operand>
  void and_bits(const Vec& to, const Vec& a, const Operand& b) {
    if constexpr (Vec::kWide) {
      vpandd(to, a, b);
    } else {
      vpand(to, a, b);
    }
  }

  // The codes of four columns times those of each token, at a distance from its prepared block. Why int16 and int32 hold them: tile.h.
  void add_products(int at, bool fresh, int size, int vectors) {
    for (int t = 0; t < size; ++t) {
      const auto four = r14 + t * apart_ + at;
      if (!kVnni) {
        vpbroadcastd(factor(), ptr[four]);
      }
      for (int v = 0; v < vectors; ++v) {
        const Vec to = product(t * vectors + v);
        if constexpr (kVnni) {
          vpdpbusd(to, codes(v), ptr_b[four]);
        } else if (kShort) {
          vpmaddubsw(fresh ? to : moment(), codes(v), factor());
          if (!fresh) {
            vpaddw(to, to, moment());
          }
        } else {
          vpmaddwd(moment(), codes(v), factor());
          vpaddd(to, to, moment());
        }
      }
      if (kWords) {
        vpbroadcastd(factor(), ptr[four + 4]);
        for (int v = 0; v < vectors; ++v) {
          vpmaddwd(moment(), rest_of_codes(v), factor());
          vpaddd(product(t * vectors + v), product(t * vectors + v), moment());
        }
      }
    }
  }

  // The first groups of a vector of trits. Why: first_trits in tile.h.
  void trits(int size, int vectors, int groups) {
    prefetch_codes(0, size, vectors);
    for (int v = 0; v < vectors; ++v) {
      vmovaps(rest_of_codes(v), of_vector(rsi, v, 4, 0));
    }
    for (int n = 0; n < groups; ++n) {
      for (int v = 0; v < vectors; ++v) {
        const Vec to = codes(v);
        const Vec bytes = rest_of_codes(v);
        with(kByteOnes, [&](const auto& one) { vpsubusb(to, bytes, one); });
        with(kNoBytes, [&](const auto& zero) { vpavgb(moment(), to, zero); });
        vpavgb(to, to, moment());
        vpsrlw(to, to, 6);
        with(kLowMask, [&](const auto& mask) { and_bits(to, to, mask); });
        vpaddb(moment(), bytes, bytes);
        vpaddb(bytes, bytes, moment());
      }
      add_products(kXParts + n * kGroupBytes, false, size, vectors);
    }
  }

  // The products of half a pair of integer scales, times them, to the totals.
  void take_sub(int half, int size, int vectors) {
    for (int v = 0; v < vectors; ++v) {
      const Vec scale = factor();
      vpmovsxbw(scale, of_vector(rdx, v, 2, kSubScalesAt));
      if (kSubMinimaAt == kSubScalesAt) {
        with(kNibbles, [&](const auto& mask) { and_bits(scale, scale, mask); });
      }
      if (kShort) {  // both words
        const auto order = static_cast<uint8_t>(half == 0 ? 0xa0 : 0xf5);
        vpshuflw(scale, scale, order);
        vpshufhw(scale, scale, order);
      } else if (kScalesAsWords && half == 0) {
        with(kLowWords, [&](const auto& mask) { and_bits(scale, scale, mask); });
      } else if (kScalesAsWords) {
        vpsrld(scale, scale, 16);
      } else {
        if (half == 0) {
          vpslld(scale, scale, 16);
        }
        vpsrad(scale, scale, 16);
      }
      for (int t = 0; t < size; ++t) {
        const int i = t * vectors + v;
        if (kShort || kScalesAsWords) {
          vpmaddwd(product(i), product(i), scale);
        } else {
          vpmulld(product(i), product(i), scale);
        }
        vpaddd(sum(i), sum(i), product(i));
      }
    }
  }

  // The block's integers, times its scales, to the float sums.
  void take_integers(int size, int vectors) {
    const int sums = size * vectors;
    for (int i = 0; i < sums; ++i) {
      const Vec integer = kTotals ? sum(i) : product(i);
      if (!kTotals && kShort) {
        with(kOnes, [&](const auto& ones) { vpmaddwd(integer, integer, ones); });
        if (kZero != 0) {
          const int start = x_at_ + i / vectors * kPrepared + 4;
          if constexpr (Vec::kWide) {
            vpaddd(integer, integer, ptr_b[r14 + start]);
          } else {
            vpbroadcastd(factor(), ptr[r14 + start]);
            vpaddd(integer, integer, factor());
          }
        }
      }
      vcvtdq2ps(integer, integer);
    }
    load_scales(scales_at_, vectors);
    for (int i = 0; i < sums; ++i) {
      times_scale_of_x(codes(i % vectors), i / vectors);
      add_to_float(i, kTotals ? sum(i) : product(i), false);
    }
  }

  // Those of the vectors, to where codes are.
  void load_scales(int at, int vectors) {
    for (int v = 0; v < vectors; ++v) {
#ifdef LAYOUT_ue4
      vpmovzxwd(codes(v), of_vector(rdx, v, kScaleBytes, at));
      vpslld(codes(v), codes(v), 16);
#elif LAYOUT_FLOAT_SCALES
      vmovups(codes(v), of_vector(rdx, v, kScaleBytes, at));
#else
      vcvtph2ps(codes(v), of_vector(rdx, v, kScaleBytes, at));
#endif
    }
  }

  // moment = scale * that of token t.
  void times_scale_of_x(const Vec& scale, int t) {
    if constexpr (Vec::kWide) {
      vmulps(moment(), scale, ptr_b[r14 + x_at_ + t * kPrepared]);
    } else {
      vbroadcastss(moment(), ptr[r14 + x_at_ + t * kPrepared]);
      vmulps(moment(), moment(), scale);
    }
  }

  // Float sum number i += value * moment, or -= it.
  void add_to_float(int i, const Vec& value, bool negative) {
    const Vec to = kTotals ? factor() : sum(i);
    if (kTotals) {
      vmovaps(to, float_in_memory(i));
    }
    if (negative) {
      vfnmadd231ps(to, value, moment());
    } else {
      vfmadd231ps(to, value, moment());
    }
    if (kTotals) {
      vmovaps(float_in_memory(i), to);
    }
  }

  // The block's minima times the sums of x.
  void take_minima(int size, int vectors) {
    const int sums = size * vectors;
    if (!LAYOUT_SUB_SCALES) {
      load_scales(kMinimumAt, vectors);
      for (int i = 0; i < sums; ++i) {
        vbroadcastss(moment(), ptr[r14 + i / vectors * kPrepared + 4]);
        add_to_float(i, codes(i % vectors), false);
      }
      return;
    }
    for (int i = 0; i < sums; ++i) {
      clear(sum(i));
    }
    for (int pair = 0; pair < kPairs; ++pair) {
      for (int v = 0; v < vectors; ++v) {
        vpmovsxbw(codes(v), of_vector(rdx, v, 2, scales_at_ + kSubMinimaAt + pair * kUnit));
        if (kSubMinimaAt == kSubScalesAt) {
          vpsrlw(codes(v), codes(v), 4);
          with(kNibbles, [&](const auto& mask) { and_bits(codes(v), codes(v), mask); });
        }
      }
      for (int t = 0; t < size; ++t) {
        vpbroadcastd(factor(), ptr[r14 + x_at_ + t * kPrepared + kXSums + 4 * pair]);
        for (int v = 0; v < vectors; ++v) {
          vpmaddwd(moment(), codes(v), factor());
          vpaddd(sum(t * vectors + v), sum(t * vectors + v), moment());
        }
      }
    }
    load_scales(scales_at_ + kMinimumAt, vectors);
    for (int i = 0; i < sums; ++i) {
      vcvtdq2ps(sum(i), sum(i));
      times_scale_of_x(codes(i % vectors), i / vectors);
      add_to_float(i, sum(i), true);
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
    align(64);
    L(constants_);
    for (int c = 0; c < kConstants; ++c) {
      for (int i = 0; i < 16 && needed(c); ++i) {
        dd(word_of(c, i));
      }
    }
    L(bytes_of_one_);
    dd(0x01010101);
    L(zeros_);  // words of -kZero
    dd(kZero == 0 ? 0x00010001u : (0x10000u - kZero) * 0x10001u);
  }

  const size_t blocks_;
  const size_t vectors_;   ///< of all rows
  const int prefetch_;     ///< bytes that the weights of one token are prefetched ahead; 0: they are not
  const int tile_tokens_;  ///< of the largest tile
  const int apart_;        ///< bytes from a token of a tile to the next
  // Behind the loop over a block's parts: where the block's x and scales are, from r14 and rdx.
  int x_at_ = 0, scales_at_ = 0;
  Xbyak::Label constants_, bytes_of_one_, zeros_;
};

}  // namespace
