#include <stdint.h>
#include <string.h>
#include <xbyak/xbyak.h>

#include "kernels/matmul_q1_0/kernel.h"

extern "C" matmul_q1_0_gen matmul_q1_0_jit_avx2;
extern "C" matmul_q1_0_gen matmul_q1_0_jit_avx512;
extern "C" matmul_q1_0_pack_fn matmul_q1_0_pack_jit_avx2;
extern "C" matmul_q1_0_pack_fn matmul_q1_0_pack_jit_avx512;

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

size_t avx2_tile_bytes(size_t groups) { return groups * (32 * 2 + 32 * 16); }
size_t avx512_tile_bytes(size_t groups) { return (groups * (16 * 2 + 16 * 16) + 63) / 64 * 64; }

// What both have: the loops over tokens, chunks of columns and tiles of rows, with every stride and trip count a
// constant. Registers that live throughout:
//   rdi args   rbx row_end   r8 row   r11 x of this chunk   r12 x of the first token   r13 y of the first token
//   r14 groups left   r15 first group of this chunk   rsp frame
class Generator : public Xbyak::CodeGenerator {
 public:
  Generator(void* code, size_t capacity, const size_t* key)
      : CodeGenerator(capacity, code), groups_(key[1] / 128), tokens_(key[2]) {}
  virtual ~Generator() = default;

  size_t generate(int tile_rows, int max_tokens, int frame) {
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
    mov(rbx, arg(offsetof(matmul_q1_0_args, row_end)));
    cmp(rbx, arg(offsetof(matmul_q1_0_args, row_begin)));
    jbe(done, T_NEAR);
    mov(r12, arg(offsetof(matmul_q1_0_args, x)));
    mov(r13, arg(offsetof(matmul_q1_0_args, y)));
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
    return getSize();
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
    mov(rcx, arg(offsetof(matmul_q1_0_args, ldy)));
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
        mov(rdx, arg(offsetof(matmul_q1_0_args, scratch)));
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
    mov(r8, arg(offsetof(matmul_q1_0_args, row_begin)));
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
    mov(rax, arg(offsetof(matmul_q1_0_args, ldy)));
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

class Avx2 : public Generator {
 public:
  using Generator::Generator;
  size_t generate_all() { return generate(kTile, kTokens, kFrame); }

 private:
  static constexpr int kTile = 32;
  static constexpr int kTokens = 2;  // at a time: they share the bits taken apart
  // The frame: sums of a tile, partial sums where registers are short, {d8, zero} of each block.
  static constexpr int kSums = kTileFrame;
  static constexpr int kParts = kSums + kTokens * kTile * 4;
  static constexpr int kScales = kParts + kTokens * kTile * 4;
  static constexpr int kFrame = kScales + kMaxGroups * 32 + 64;
  // Registers: 0..3 sums of L and H, 4..7 and 12 work, 8..11 partial sums of one token, 13..15 constants.

  int scales_at(int group) const override { return kScales + group * 32; }

  void load_constants() override {
    vmovups(ymm13, ptr[rip + weights_]);
    vmovups(ymm14, ptr[rip + magic_]);
    vmovups(ymm15, ptr[rip + nibble_]);
  }

  void tile(int count, int step) override {
    Xbyak::Label partial_load;
    Xbyak::Label loaded;
    Xbyak::Label partial_store;
    Xbyak::Label stored;
    mov(r10, rbx);
    sub(r10, r8);  // rows left
    cmp(r10, kTile);
    jb(partial_load, T_NEAR);
    load_sums(count, false);
    jmp(loaded, T_NEAR);
    L(partial_load);
    make_mask();
    load_sums(count, true);
    L(loaded);
    if (groups_ > 0) {
      imul(rsi, r8, static_cast<int>(avx2_tile_bytes(groups_) / kTile));
      add(rsi, arg(offsetof(matmul_q1_0_args, packed)));
      imul(rax, r15, kTile * 18);
      add(rsi, rax);
      mov(rdx, arg(offsetof(matmul_q1_0_args, scratch)));
      lea(rcx, ptr[rsp + kScales]);
      mov(rax, ptr[rsp + kGroupCount]);
      Xbyak::Label group_loop;
      align(32);
      L(group_loop);
      group(count, step);
      add(rsi, kTile * 18);
      dec(rax);
      jnz(group_loop, T_NEAR);
    }
    mov(r10, rbx);
    sub(r10, r8);
    cmp(r10, kTile);
    jb(partial_store, T_NEAR);
    store_sums(count, false);
    jmp(stored, T_NEAR);
    L(partial_store);
    make_mask();
    store_sums(count, true);
    L(stored);
  }

  // r10 < kTile rows: then the masks are at r10.
  void make_mask() {
    lea(rax, ptr[rip + masks_]);
    neg(r10);
    lea(r10, ptr[rax + 4 * r10 + 4 * kTile]);
  }

  void load(const Xbyak::Ymm& v, int j, const Xbyak::Address& from, bool masked) {
    if (masked) {
      vmovups(ymm5, ptr[r10 + 32 * j]);
      vmaskmovps(v, ymm5, from);
    } else {
      vmovups(v, from);
    }
  }

  // The first chunk starts from the bias or zero, the others from y.
  void load_sums(int count, bool masked) {
    Xbyak::Label from_y;
    Xbyak::Label no_bias;
    Xbyak::Label end;
    test(r15, r15);
    jnz(from_y, T_NEAR);
    mov(rdx, arg(offsetof(matmul_q1_0_args, bias)));
    for (int j = 0; j < 4; ++j) {
      vxorps(Xbyak::Xmm(j), Xbyak::Xmm(j), Xbyak::Xmm(j));
    }
    test(rdx, rdx);
    jz(no_bias, T_NEAR);
    for (int j = 0; j < 4; ++j) {
      load(Xbyak::Ymm(j), j, ptr[rdx + 4 * r8 + 32 * j], masked);
    }
    L(no_bias);
    for (int t = 0; t < count; ++t) {
      for (int j = 0; j < 4; ++j) {
        vmovaps(sum_at(t, j), Xbyak::Ymm(j));
      }
    }
    jmp(end, T_NEAR);
    L(from_y);
    y_rows();
    for (int t = 0; t < count; ++t) {
      for (int j = 0; j < 4; ++j) {
        load(ymm0, j, ptr[rdx + 32 * j], masked);
        vmovaps(sum_at(t, j), ymm0);
      }
      add(rdx, rcx);
    }
    L(end);
  }

  void store_sums(int count, bool masked) {
    y_rows();
    for (int t = 0; t < count; ++t) {
      for (int j = 0; j < 4; ++j) {
        vmovaps(ymm0, sum_at(t, j));
        if (masked) {
          vmovups(ymm5, ptr[r10 + 32 * j]);
          vmaskmovps(ptr[rdx + 32 * j], ymm5, ymm0);
        } else {
          vmovups(ptr[rdx + 32 * j], ymm0);
        }
      }
      add(rdx, rcx);
    }
  }

  Xbyak::Address sum_at(int t, int j) { return ptr[rsp + kSums + (t * 4 + j) * 32]; }
  Xbyak::Address part_at(int t, int j) { return ptr[rsp + kParts + (t * 4 + j) * 32]; }

  // rsi: the packed group; rdx and rcx: tables and scales of its first token, which advance.
  void group(int count, int step) {
    if (count == 1) {
      for (int j = 8; j < 12; ++j) {
        vxorps(Xbyak::Xmm(j), Xbyak::Xmm(j), Xbyak::Xmm(j));
      }
      for (int b = 0; b < 4; ++b) {
        block(count, step, rsi, 2 * kTile + b * 128, b * 256, b * 8);
      }
      add(rdx, 4 * 256);
      add(rcx, 4 * 8);
    } else {
      vxorps(xmm8, xmm8, xmm8);
      for (int t = 0; t < count; ++t) {
        for (int j = 0; j < 4; ++j) {
          vmovaps(part_at(t, j), ymm8);
        }
      }
      Xbyak::Label block_loop;
      lea(r10, ptr[rsi + 2 * kTile]);
      mov(r9d, 4);
      align(32);
      L(block_loop);
      block(count, step, r10, 0, 0, 0);
      add(r10, 128);
      add(rdx, 256);
      add(rcx, 8);
      dec(r9d);
      jnz(block_loop, T_NEAR);
    }
    for (int j = 0; j < 4; ++j) {
      vcvtph2ps(ymm4, ptr[rsi + j * 16]);
      for (int t = 0; t < count; ++t) {
        const Xbyak::Ymm part(count == 1 ? 8 + j : 5);
        if (count > 1) {
          vmovaps(part, part_at(t, j));
        }
        vfmadd213ps(part, ymm4, sum_at(t, j));
        vmovaps(sum_at(t, j), part);
      }
    }
  }

  // to (+)= table[index]
  void lookup(const Xbyak::Ymm& to, bool first, const Xbyak::Ymm& work, const Xbyak::Address& table,
              const Xbyak::Ymm& index) {
    vbroadcasti128(work, table);
    if (first) {
      vpshufb(to, work, index);
    } else {
      vpshufb(work, work, index);
      vpaddb(to, to, work);
    }
  }

  void block(int count, int step, const Xbyak::Reg64& bits, int bits_at, int table_at, int scale_at) {
    for (int p = 0; p < 4; ++p) {
      vmovdqa(ymm5, ptr[bits + bits_at + p * 32]);
      vpand(ymm4, ymm5, ymm15);
      vpsrlw(ymm5, ymm5, 4);
      vpand(ymm5, ymm5, ymm15);
      for (int t = 0; t < count; ++t) {
        for (int k = 0; k < 2; ++k) {
          const int at = table_at + t * step * 1024 + p * 64 + k * 16;
          lookup(Xbyak::Ymm(2 * t), p + k == 0, ymm6, ptr[rdx + at], Xbyak::Ymm(4 + k));
          lookup(Xbyak::Ymm(2 * t + 1), p + k == 0, ymm7, ptr[rdx + at + 32], Xbyak::Ymm(4 + k));
        }
      }
    }
    for (int t = 0; t < count; ++t) {
      const Xbyak::Ymm low(2 * t);
      const Xbyak::Ymm high(2 * t + 1);
      vpunpcklbw(ymm4, low, high);
      vpunpckhbw(ymm5, low, high);
      vpmaddubsw(ymm4, ymm4, ymm13);
      vpmaddubsw(ymm5, ymm5, ymm13);
      // The magic word above a word makes the float 2^23 + word.
      vpunpcklwd(ymm6, ymm5, ymm14);
      vpunpckhwd(ymm7, ymm5, ymm14);
      vpunpckhwd(ymm5, ymm4, ymm14);
      vpunpcklwd(ymm4, ymm4, ymm14);
      vbroadcastss(ymm12, ptr[rcx + scale_at + t * step * 32 + 4]);
      for (int j = 0; j < 4; ++j) {
        vsubps(Xbyak::Ymm(4 + j), Xbyak::Ymm(4 + j), ymm12);
      }
      vbroadcastss(ymm12, ptr[rcx + scale_at + t * step * 32]);
      for (int j = 0; j < 4; ++j) {
        if (count == 1) {
          vfmadd231ps(Xbyak::Ymm(8 + j), Xbyak::Ymm(4 + j), ymm12);
        } else {
          vfmadd213ps(Xbyak::Ymm(4 + j), ymm12, part_at(t, j));
          vmovaps(part_at(t, j), Xbyak::Ymm(4 + j));
        }
      }
    }
  }

  // A block has 256 bytes of tables: for eight columns, two tables of L and two of H; and two scales, d8 and what I = 0
  // looks like: 2^23 + 8192 + Q.
  void build_tables() override {
    Xbyak::Label block_loop;
    shl(eax, 2);
    vmovups(ymm7, ptr[rip + bytes01_]);
    vmovups(ymm8, ptr[rip + bytes23_]);
    vbroadcasti128(ymm9, ptr[rip + bits01_]);
    vbroadcasti128(ymm10, ptr[rip + bit2_]);
    vbroadcasti128(ymm11, ptr[rip + bit3_]);
    vbroadcasti128(ymm12, ptr[rip + offset_]);
    vbroadcasti128(ymm13, ptr[rip + low_]);
    vmovups(xmm14, ptr[rip + signs_]);
    vpxor(xmm15, xmm15, xmm15);
    L(block_loop);
    for (int i = 0; i < 4; ++i) {
      vpbroadcastq(ymm0, ptr[rsi + 2 + 8 * i]);
      vpshufb(ymm1, ymm0, ymm8);
      vpshufb(ymm0, ymm0, ymm7);
      make_tables(ymm0, ymm1, ymm2, ymm3, 64 * i);
    }
    vpxor(xmm0, xmm14, ptr[rsi + 2]);
    vpxor(xmm1, xmm14, ptr[rsi + 18]);
    vpsadbw(xmm0, xmm0, xmm15);
    vpsadbw(xmm1, xmm1, xmm15);
    vpaddd(xmm0, xmm0, xmm1);
    vpsrldq(xmm1, xmm0, 8);
    vpaddd(xmm0, xmm0, xmm1);
    vmovd(r10d, xmm0);
    add(r10d, 0x4b000000 + 8192 - 32 * 128);  // the integer is the float's fraction
    mov(ptr[rcx + 4], r10d);
    movzx(r10d, word[rsi]);
    vmovd(xmm0, r10d);
    vcvtph2ps(xmm0, xmm0);
    vmovss(ptr[rcx], xmm0);
    add(rsi, 34);
    add(rdx, 256);
    add(rcx, 8);
    dec(eax);
    jnz(block_loop, T_NEAR);
  }

  void constants() override {
    align(32);
    words(weights_, 0x40024002, 8);  // 2 L + 64 H
    words(magic_, 0x4b004b00, 8);
    words(nibble_, 0x0f0f0f0f, 8);
    for (uint32_t upper = 0; upper < 2; ++upper) {  // lane i repeats bytes 4 i and 4 i + 1, or the two after them
      L(upper == 0 ? bytes01_ : bytes23_);
      for (uint32_t i = 0; i < 8; ++i) {
        dd(0x01000100 + 0x02020202 * upper + 0x04040404 * (i / 4));
      }
    }
    table_constants();
    words(signs_, 0x80808080, 4);
    words(masks_, 0xffffffff, kTile);
    for (int i = 0; i < kTile; ++i) {
      dd(0);
    }
  }

  Xbyak::Label weights_, magic_, nibble_, bytes01_, bytes23_, signs_, masks_;
};

class Avx512 : public Generator {
 public:
  using Generator::Generator;
  size_t generate_all() { return generate(kTile, kTokens, kFrame); }

 private:
  static constexpr int kTile = 16;
  static constexpr int kTokens = 4;  // at a time: they share the bits taken apart
  // The frame: d1 of the tile, each four rows in four lanes; of each group, d8 and zero of its four blocks, four times
  // each in the block's lane.
  static constexpr int kD1 = kTileFrame;
  static constexpr int kScales = kD1 + 4 * 64;
  static constexpr int kFrame = kScales + kMaxGroups * 128 + 64;
  // Registers: 0..7 indices, 8..23 sums (four for each token: rows 4 j .. 4 j + 3 of the tile in each lane; with one
  // token 12..15 are d1 and 16..23 work), 24..29 work, 30 and 31 constants.

  int scales_at(int group) const override { return kScales + group * 128; }

  void load_constants() override {
    vmovups(zmm30, ptr[rip + weights_]);
    vmovups(zmm31, ptr[rip + magic_]);
  }

  static Xbyak::Zmm sum(int t, int j) { return Xbyak::Zmm(8 + 4 * t + j); }

  void tile(int count, int step) override {
    for (int t = 0; t < count; ++t) {
      for (int j = 0; j < 4; ++j) {
        vpxord(sum(t, j), sum(t, j), sum(t, j));
      }
    }
    if (groups_ > 0) {
      imul(rsi, r8, static_cast<int>(avx512_tile_bytes(groups_) / kTile));
      add(rsi, arg(offsetof(matmul_q1_0_args, packed)));
      mov(rax, r15);
      shl(rax, 5);
      lea(r9, ptr[rsi + rax + static_cast<int>(groups_ * 256)]);
      shl(rax, 3);
      add(rsi, rax);
      mov(rdx, arg(offsetof(matmul_q1_0_args, scratch)));
      lea(rcx, ptr[rsp + kScales]);
      mov(rax, ptr[rsp + kGroupCount]);
      Xbyak::Label group_loop;
      align(32);
      L(group_loop);
      group(count, step);
      add(rsi, 256);
      add(r9, 32);
      add(rdx, 1024);
      add(rcx, 128);
      dec(rax);
      jnz(group_loop, T_NEAR);
    }

    mov(r10, rbx);
    sub(r10, r8);
    mov(eax, kTile);
    cmp(r10, rax);
    cmova(r10, rax);
    mov(eax, -1);
    bzhi(eax, eax, r10d);
    kmovw(k1, eax);
    // Before: y, but for the first chunk the bias or zero.
    Xbyak::Label from_y;
    Xbyak::Label store;
    y_rows();
    test(r15, r15);
    jnz(from_y, T_NEAR);
    vpxord(zmm0, zmm0, zmm0);
    mov(rax, arg(offsetof(matmul_q1_0_args, bias)));
    Xbyak::Label no_bias;
    test(rax, rax);
    jz(no_bias);
    vmovups(zmm0 | k1 | T_z, ptr[rax + 4 * r8]);
    L(no_bias);
    for (int t = 1; t < count; ++t) {
      vmovaps(Xbyak::Zmm(t), zmm0);
    }
    jmp(store);
    L(from_y);
    mov(rax, rdx);
    for (int t = 0; t < count; ++t) {
      vmovups(Xbyak::Zmm(t) | k1 | T_z, ptr[rax]);
      add(rax, rcx);
    }
    L(store);
    for (int t = 0; t < count; ++t) {
      add_lanes(sum(t, 0), sum(t, 1), 0x44, 0xee);
      add_lanes(sum(t, 2), sum(t, 3), 0x44, 0xee);
      add_lanes(sum(t, 0), sum(t, 2), 0x88, 0xdd);
      vaddps(Xbyak::Zmm(t), Xbyak::Zmm(t), sum(t, 0));
      vmovups(ptr[rdx] | k1, Xbyak::Zmm(t));
      if (t + 1 < count) {
        add(rdx, rcx);
      }
    }
  }

  // a = lanes of a and b chosen by one, plus those chosen by the other
  void add_lanes(const Xbyak::Zmm& a, const Xbyak::Zmm& b, uint8_t one, uint8_t other) {
    vshuff32x4(zmm24, a, b, one);
    vshuff32x4(zmm25, a, b, other);
    vaddps(a, zmm24, zmm25);
  }

  // rsi: bits, r9: d1, rdx and rcx: tables and scales of the first token.
  void group(int count, int step) {
    vcvtph2ps(zmm24, ptr[r9]);
    for (int j = 0; j < 4; ++j) {
      const Xbyak::Zmm d1(count == 1 ? 12 + j : 25 + j);
      vshuff32x4(d1, zmm24, zmm24, static_cast<uint8_t>(0x55 * j));
      if (count > 1) {
        vmovaps(ptr[rsp + kD1 + 64 * j], d1);
      }
    }
    vmovdqa64(zmm24, ptr[rip + nibble_]);
    for (int p = 0; p < 4; ++p) {
      const Xbyak::Zmm first(2 * p);
      const Xbyak::Zmm second(2 * p + 1);
      vmovdqa64(second, ptr[rsi + 64 * p]);
      vpandd(first, second, zmm24);
      vpsrlw(second, second, 4);
      vpandd(second, second, zmm24);
    }
    for (int t = 0; t < count; ++t) {
      if (count == 1) {  // registers are plenty: sums as trees, the CPU need not look so far ahead
        for (int high = 0; high < 2; ++high) {
          for (int k = 0; k < 8; ++k) {
            const Xbyak::Zmm work(16 + k);
            vmovdqa64(work, ptr[rdx + k * 128 + high * 64]);
            vpshufb(work, work, Xbyak::Zmm(k));
            if (k % 2 == 1) {
              vpaddb(Xbyak::Zmm(15 + k), Xbyak::Zmm(15 + k), work);
            }
            if (k % 4 == 3) {
              vpaddb(Xbyak::Zmm(13 + k), Xbyak::Zmm(13 + k), Xbyak::Zmm(15 + k));
            }
          }
          vpaddb(Xbyak::Zmm(24 + high), zmm16, zmm20);
        }
      } else {
        for (int k = 0; k < 8; ++k) {
          for (int high = 0; high < 2; ++high) {
            const Xbyak::Zmm to(24 + high);
            const Xbyak::Zmm work(k == 0 ? 24 + high : 26 + high);
            vmovdqa64(work, ptr[rdx + t * step * 1024 + k * 128 + high * 64]);
            vpshufb(work, work, Xbyak::Zmm(k));
            if (k > 0) {
              vpaddb(to, to, work);
            }
          }
        }
      }
      vpunpcklbw(zmm26, zmm24, zmm25);
      vpunpckhbw(zmm27, zmm24, zmm25);
      vpmaddubsw(zmm26, zmm26, zmm30);
      vpmaddubsw(zmm27, zmm27, zmm30);
      // The magic word above a word makes the float 2^23 + word.
      vpunpcklwd(zmm24, zmm26, zmm31);
      vpunpckhwd(zmm25, zmm26, zmm31);
      vpunpcklwd(zmm26, zmm27, zmm31);
      vpunpckhwd(zmm27, zmm27, zmm31);
      const int scales = t * step * 128;
      vmovups(zmm28, ptr[rcx + scales + 64]);
      for (int j = 0; j < 4; ++j) {
        vsubps(Xbyak::Zmm(24 + j), Xbyak::Zmm(24 + j), zmm28);
      }
      vmovups(zmm28, ptr[rcx + scales]);
      for (int j = 0; j < 4; ++j) {  // d1 * d8 is exact: 22 bits
        if (count == 1) {
          vmulps(zmm29, zmm28, Xbyak::Zmm(12 + j));
        } else {
          vmulps(zmm29, zmm28, ptr[rsp + kD1 + 64 * j]);
        }
        vfmadd231ps(sum(t, j), zmm29, Xbyak::Zmm(24 + j));
      }
    }
  }

  // A group has 1024 bytes of tables: for the k-th four columns of each block four tables of L, then four of H; and two
  // vectors of scales, d8 and what I = 0 looks like: 2^23 + 8192 + Q.
  void build_tables() override {
    Xbyak::Label group_loop;
    vbroadcasti32x4(zmm9, ptr[rip + bits01_]);
    vbroadcasti32x4(zmm10, ptr[rip + bit2_]);
    vbroadcasti32x4(zmm11, ptr[rip + bit3_]);
    vbroadcasti32x4(zmm12, ptr[rip + offset_]);
    vbroadcasti32x4(zmm13, ptr[rip + low_]);
    vpbroadcastd(zmm14, ptr[rip + signs_]);
    vpxord(zmm15, zmm15, zmm15);
    vmovups(zmm16, ptr[rip + lanes_]);
    vpbroadcastd(zmm17, ptr[rip + zero_]);
    for (int i = 0; i < 8; ++i) {
      vpbroadcastd(Xbyak::Zmm(18 + i), ptr[rip + bytes_ + 4 * i]);
    }
    L(group_loop);
    for (int half = 0; half < 2; ++half) {
      const int at = 2 + 16 * half;
      vmovups(xmm0, ptr[rsi + at]);
      vinserti128(ymm0, ymm0, ptr[rsi + at + 34], 1);
      vmovups(xmm1, ptr[rsi + at + 68]);
      vinserti128(ymm1, ymm1, ptr[rsi + at + 102], 1);
      vinserti64x4(zmm0, zmm0, ymm1, 1);
      const Xbyak::Zmm sums(5 + half);
      vpxord(sums, zmm0, zmm14);
      vpsadbw(sums, sums, zmm15);
      for (int k = 0; k < 4; ++k) {
        vpshufb(zmm1, zmm0, Xbyak::Zmm(18 + 2 * k));
        vpshufb(zmm2, zmm0, Xbyak::Zmm(18 + 2 * k + 1));
        make_tables(zmm1, zmm2, zmm3, zmm4, (4 * half + k) * 128);
      }
    }
    // Two 64-bit sums a lane, of q + 128: their total is the fraction of the float.
    vpaddd(zmm5, zmm5, zmm6);
    vpshufd(zmm6, zmm5, 0x4e);
    vpaddd(zmm5, zmm5, zmm6);
    vpshufd(zmm5, zmm5, 0xa0);
    vpaddd(zmm5, zmm5, zmm17);
    vmovups(ptr[rcx + 64], zmm5);
    movzx(r10d, word[rsi]);
    vmovd(xmm0, r10d);
    for (uint8_t i = 1; i < 4; ++i) {
      vpinsrw(xmm0, xmm0, ptr[rsi + 34 * i], i);
    }
    vcvtph2ps(xmm0, xmm0);
    vpermps(zmm0, zmm16, zmm0);
    vmovups(ptr[rcx], zmm0);
    add(rsi, 4 * 34);
    add(rdx, 1024);
    add(rcx, 128);
    dec(eax);
    jnz(group_loop, T_NEAR);
  }

  void constants() override {
    align(64);
    words(weights_, 0x40024002, 16);  // 2 L + 64 H
    words(magic_, 0x4b004b00, 16);
    words(nibble_, 0x0f0f0f0f, 16);
    L(lanes_);
    for (uint32_t i = 0; i < 16; ++i) {
      dd(i / 4);
    }
    L(bytes_);
    for (uint32_t i = 0; i < 8; ++i) {  // bytes 2 i and 2 i + 1 of a lane
      dd(0x01000100 + 0x02020202 * i);
    }
    table_constants();
    words(signs_, 0x80808080, 1);
    words(zero_, 0x4b000000 + 8192 - 32 * 128, 1);
  }

  Xbyak::Label weights_, magic_, nibble_, lanes_, bytes_, signs_, zero_;
};

template <class G>
size_t generate(void* code, size_t capacity, const size_t* key) {
  try {
    return G(code, capacity, key).generate_all();
  } catch (const Xbyak::Error&) {
    return 0;  // capacity is too small
  }
}

}  // namespace

extern "C" size_t matmul_q1_0_pack_jit_avx2(void* packed, const void* w, size_t rows, size_t cols) {
  const size_t groups = cols / 128;
  const size_t bytes = (rows + 31) / 32 * avx2_tile_bytes(groups);
  if (packed == nullptr || bytes == 0) {
    return bytes;
  }
  if (rows % 32 != 0) {
    memset(static_cast<uint8_t*>(packed) + rows / 32 * avx2_tile_bytes(groups), 0, avx2_tile_bytes(groups));
  }
  for (size_t r = 0; r < rows; ++r) {
    const uint8_t* from = static_cast<const uint8_t*>(w) + r * groups * 18;
    uint8_t* to = static_cast<uint8_t*>(packed) + r / 32 * avx2_tile_bytes(groups);
    const size_t row = r % 32;
    const size_t place = row / 4 % 2 * 16 + row / 8 * 4 + row % 4;
    for (size_t g = 0; g < groups; ++g, from += 18, to += 32 * 18) {
      memcpy(to + 2 * row, from, 2);
      for (size_t j = 0; j < 16; ++j) {
        to[64 + 32 * j + place] = from[2 + j];
      }
    }
  }
  return bytes;
}

extern "C" size_t matmul_q1_0_pack_jit_avx512(void* packed, const void* w, size_t rows, size_t cols) {
  const size_t groups = cols / 128;
  const size_t bytes = (rows + 15) / 16 * avx512_tile_bytes(groups);
  if (packed == nullptr || bytes == 0) {
    return bytes;
  }
  if (rows % 16 != 0) {
    memset(static_cast<uint8_t*>(packed) + rows / 16 * avx512_tile_bytes(groups), 0, avx512_tile_bytes(groups));
  }
  for (size_t r = 0; r < rows; ++r) {
    const uint8_t* from = static_cast<const uint8_t*>(w) + r * groups * 18;
    uint8_t* bits = static_cast<uint8_t*>(packed) + r / 16 * avx512_tile_bytes(groups) + r % 16;
    uint8_t* d1 = static_cast<uint8_t*>(packed) + r / 16 * avx512_tile_bytes(groups) + groups * 256 + r % 16 * 2;
    for (size_t g = 0; g < groups; ++g, from += 18, bits += 256, d1 += 32) {
      memcpy(d1, from, 2);
      for (size_t i = 0; i < 4; ++i) {
        for (size_t p = 0; p < 4; ++p) {
          bits[64 * p + 16 * i] = from[2 + 4 * i + p];
        }
      }
    }
  }
  return bytes;
}

extern "C" size_t matmul_q1_0_jit_avx2(void* code, size_t capacity, const size_t* key) {
  return generate<Avx2>(code, capacity, key);
}

extern "C" size_t matmul_q1_0_jit_avx512(void* code, size_t capacity, const size_t* key) {
  return generate<Avx512>(code, capacity, key);
}
