#pragma once
#include <stdint.h>
#include <string.h>

#include "kernels/matmul/kernel.h"
#include "kernels/shared/jit.h"

// Table lookup in place of multiplication, after T-MAC (Wei et al., "T-MAC: CPU Renaissance via Table Lookup for
// Low-Bit LLM Deployment on Edge", 2024): for four columns of a token the sums S of the activations whose bits are set
// are 16 values, and VPSHUFB looks them up by the rows' four bits.
//
// S + 512 is in 0..1020 and so is 32 H + L with H and L in 0..31. Eight lookups, 32 columns, add up to at most 248: the
// sums of H and of L stay bytes over a whole block, and one VPMADDUBSW makes 64 H + 2 L = 2 S + 8192 of them. With
// the sum Q of the block's activations, I = 2 S - Q.
//
// AVX2: a vector has one block of 32 rows. Packed: for each 32 rows (a tile) and 128 columns (a group), d1 of the rows
// as fp16, then 16 vectors, the bits of eight columns each. The rows are in the order that the unpacking at the end of
// a block undoes.
//
// AVX-512: a vector has four blocks of 16 rows, one in each lane, so that tables are plain loads (VBROADCASTI32X4 takes
// a shuffle unit from VPSHUFB on Zen 5); the lanes are added up once, behind the last column. Packed: for each 16 rows
// (a tile), first the bits: for each group four vectors, vector p with columns 32 i + 8 p .. + 7 of the rows in lane i;
// then d1, 16 fp16 for each group.
namespace {

// What both have: the loops over tokens, chunks of columns and tiles of rows, with every stride and trip count a
// constant. Registers that live throughout:
//   rdi args   rbx row_end   r8 row   r11 x of this chunk   r12 x of the first token   r13 y of the first token
//   r14 groups left   r15 first group of this chunk   rsp frame
class Generator : public Xbyak::CodeGenerator {
 public:
  Generator(void* code, size_t capacity, const size_t* key)
      : CodeGenerator(capacity, code), groups_(key[1] / 128), tokens_(key[2]) {}
  virtual ~Generator() = default;

  void assemble(int tile_rows, int max_tokens, int frame) {
    tile_rows_ = tile_rows;
    push(rbp);
    mov(rbp, rsp);
    push(rbx);
    push(r12);
    push(r13);
    push(r14);
    push(r15);
    sub(rsp, frame);
    and_(rsp, -64);
    Xbyak::Label done;
    mov(rbx, arg(offsetof(matmul_args, row_end)));
    cmp(rbx, arg(offsetof(matmul_args, row_begin)));
    jbe(done, T_NEAR);
    mov(r12, arg(offsetof(matmul_args, x)));
    mov(r13, arg(offsetof(matmul_args, y)));
    size_t left = tokens_;
    for (int count = max_tokens; count > 0; count /= 2) {
      // Scratch holds the tables of two tokens; more tokens share it in steps of columns, which must not be too short.
      if (left / static_cast<size_t>(count) > 0 && (count <= 2 || groups_ >= 4)) {
        some_tokens(count, left / static_cast<size_t>(count));
        left %= static_cast<size_t>(count);
      }
    }
    L(done);
    lea(rsp, ptr[rbp - 40]);
    pop(r15);
    pop(r14);
    pop(r13);
    pop(r12);
    pop(rbx);
    pop(rbp);
    vzeroupper();
    ret();
    if (groups_ > 0 && tokens_ > 0) {
      align(16);
      L(build_tables_);
      build_tables();
      ret();
    }
    constants();
  }

 protected:
  static constexpr int kMaxGroups = 16;  // of all tokens at a time: their tables are 16 KiB, half of an L1 cache
  // The frame's first part; the tile's own begins at kTileFrame.
  static constexpr int kTokenLoop = 0;
  static constexpr int kGroupCount = 8;
  static constexpr int kTileFrame = 64;

  // The tile at row r8, [kGroupCount] groups of columns from r15 on: y += ..., or from the bias on if r15 = 0.
  virtual void tile(int count, int step) = 0;
  // eax > 0 groups of one token at rsi: tables to rdx, scales to rcx. Keeps r9.
  virtual void build_tables() = 0;
  virtual int scales_at(int group) const = 0;
  virtual void load_constants() = 0;
  virtual void constants() = 0;

  Xbyak::Address arg(size_t offset) { return ptr[rdi + static_cast<int>(offset)]; }

  void add_constant(const Xbyak::Reg64& r, size_t value) {
    mov(rax, value);
    add(r, rax);
  }

  // rdx: y of the first token at row r8; rcx: bytes between tokens
  void y_rows() {
    lea(rdx, ptr[r13 + 4 * r8]);
    mov(rcx, arg(offsetof(matmul_args, ldy)));
    shl(rcx, 2);
  }

  void words(Xbyak::Label& label, uint32_t value, int count) {
    L(label);
    for (int i = 0; i < count; ++i) {
      dd(value);
    }
  }

  // Entries 0..7 in words: bits 0 and 1 of the entry for q0 and q1, bit 2 for q2; q3 is in the upper eight entries.
  void table_constants() {
    L(bits01_);
    for (const uint32_t value : {0x00010000, 0x01010100, 0x00010000, 0x01010100}) {
      dd(value);
    }
    L(bit2_);
    for (const uint32_t value : {0, 0, 0x00010001, 0x00010001}) {
      dd(value);
    }
    words(bit3_, 0x01000100, 4);
    words(offset_, 0x02000200, 4);
    words(low_, 0x001f001f, 4);
  }

  // From q0 q1 in `q01` and q2 q3 in `q23`: the tables of L and H to rdx + to. Changes all four; constants in 9..13.
  template <class Vec>
  void make_tables(const Vec& q01, const Vec& q23, const Vec& work0, const Vec& work1, int to) {
    vpmaddubsw(q01, Vec(9), q01);
    vpmaddubsw(work0, Vec(10), q23);
    vpmaddubsw(q23, Vec(11), q23);
    vpaddw(q01, q01, work0);
    vpaddw(q01, q01, Vec(12));  // entries 0..7
    vpaddw(q23, q01, q23);      // entries 8..15: q3 more
    vpsrlw(work0, q01, 5);
    vpsrlw(work1, q23, 5);
    vandps(q01, q01, Vec(13));  // the one name of AND that both instruction sets have
    vandps(q23, q23, Vec(13));
    vpackuswb(q01, q01, q23);
    vpackuswb(work0, work0, work1);
    vmovups(ptr[rdx + to], q01);
    vmovups(ptr[rdx + to + static_cast<int>(q01.getBit() / 8)], work0);
  }

  const size_t groups_;
  Xbyak::Label bits01_, bit2_, bit3_, offset_, low_;

 private:
  // `repeat` times `count` tokens.
  void some_tokens(int count, size_t repeat) {
    int step = static_cast<int>(groups_ < 16 ? groups_ : 16) * 2 / count;
    step = step > kMaxGroups / count ? kMaxGroups / count : step;
    const size_t token_bytes = groups_ * 4 * 34;
    Xbyak::Label token_loop;
    Xbyak::Label chunk_loop;
    Xbyak::Label tile_loop;
    mov(rax, repeat);
    mov(ptr[rsp + kTokenLoop], rax);
    L(token_loop);
    mov(r14, groups_);
    xor_(r15d, r15d);
    mov(r11, r12);
    L(chunk_loop);
    if (groups_ > 0) {
      mov(eax, step);
      cmp(r14, rax);
      cmovb(rax, r14);
      mov(ptr[rsp + kGroupCount], rax);
      mov(r9, r11);
      for (int t = 0; t < count; ++t) {
        mov(rdx, arg(offsetof(matmul_args, scratch)));
        add(rdx, t * step * 1024);
        lea(rcx, ptr[rsp + scales_at(t * step)]);
        mov(rsi, r9);
        mov(rax, ptr[rsp + kGroupCount]);
        call(build_tables_);
        if (t + 1 < count) {
          add_constant(r9, token_bytes);
        }
      }
      load_constants();
    }
    mov(r8, arg(offsetof(matmul_args, row_begin)));
    L(tile_loop);
    tile(count, step);
    add(r8, tile_rows_);
    cmp(r8, rbx);
    jb(tile_loop, T_NEAR);
    add(r15, step);
    add(r11, step * 4 * 34);
    sub(r14, step);
    ja(chunk_loop, T_NEAR);

    add_constant(r12, static_cast<size_t>(count) * token_bytes);
    mov(rax, arg(offsetof(matmul_args, ldy)));
    shl(rax, 2);
    for (int t = 0; t < count; ++t) {
      add(r13, rax);
    }
    dec(qword[rsp + kTokenLoop]);
    jnz(token_loop, T_NEAR);
  }

  const size_t tokens_;
  int tile_rows_ = 0;
  Xbyak::Label build_tables_;
};

}  // namespace
