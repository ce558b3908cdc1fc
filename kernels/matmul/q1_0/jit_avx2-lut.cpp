#include "kernels/matmul/q1_0/jit.h"

extern "C" matmul_gen matmul_q1_0_jit_avx2_lut;
extern "C" matmul_pack_fn matmul_q1_0_pack_jit_avx2_lut;

namespace {

size_t avx2_tile_bytes(size_t groups) { return groups * (32 * 2 + 32 * 16); }

class Avx2 : public Generator {
 public:
  Avx2(void* code, size_t capacity, const size_t* key) : Generator(code, capacity, key) {
    assemble(kTile, kTokens, kFrame);
  }

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
      add(rsi, arg(offsetof(matmul_args, packed)));
      imul(rax, r15, kTile * 18);
      add(rsi, rax);
      mov(rdx, arg(offsetof(matmul_args, scratch)));
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
    mov(rdx, arg(offsetof(matmul_args, bias)));
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

}  // namespace

// Generators are compiled without optimisation; this is no generator.
extern "C" [[gnu::optimize("O2")]] size_t matmul_q1_0_pack_jit_avx2_lut(void* packed, const void* w, size_t rows,
                                                                        size_t cols) {
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

extern "C" size_t matmul_q1_0_jit_avx2_lut(void* code, size_t capacity, const size_t* key) {
  return generate<Avx2>(code, capacity, key);
}
