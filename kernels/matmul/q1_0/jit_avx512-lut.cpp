#include "kernels/matmul/q1_0/jit.h"

extern "C" matmul_gen matmul_q1_0_jit_avx512_lut;
extern "C" matmul_pack_fn matmul_q1_0_pack_jit_avx512_lut;

namespace {

size_t avx512_tile_bytes(size_t groups) { return (groups * (16 * 2 + 16 * 16) + 63) / 64 * 64; }

class Avx512 : public Generator {
 public:
  Avx512(void* code, size_t capacity, const size_t* key) : Generator(code, capacity, key) {
    assemble(kTile, kTokens, kFrame);
  }

 private:
  static constexpr int kTile = 16;
  static constexpr int kTokens = 4;  // at a time: they share the bits taken apart
  // The frame: d1 of the tile, each four rows in four lanes; of each group, d8 and zero of its four blocks, four times
  // each in the block's lane.
  static constexpr int kD1 = kTileFrame;
  static constexpr int kScales = kD1 + 4 * 64;
  static constexpr int kY = kScales + kMaxGroups * 128;  // of each token the sums of the tile
  static constexpr int kFrame = kY + kTokens * 64 + 64;
  static constexpr int kGroupsLeft = 16;
  // Registers: 0..7 indices, 8..23 sums (four for each token: rows 4 j .. 4 j + 3 of the tile in each lane; with one
  // token 12..15 are d1 and 16..23 work), 24..29 work, 30 and 31 constants.

  int scales_at(int group) const override { return kScales + group * 128; }

  void load_constants() override {
    vmovups(zmm30, ptr[rip + weights_]);
    vmovups(zmm31, ptr[rip + magic_]);
  }

  static Xbyak::Zmm sum(int t, int j) { return Xbyak::Zmm(8 + 4 * t + j); }

  void tile(int count, int step) override {
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
    Xbyak::Label before;
    test(r15, r15);
    jnz(from_y);
    vpxord(zmm0, zmm0, zmm0);
    mov(rax, arg(offsetof(matmul_args, bias)));
    Xbyak::Label no_bias;
    test(rax, rax);
    jz(no_bias);
    vmovups(zmm0 | k1 | T_z, ptr[rax + 4 * r8]);
    L(no_bias);
    for (int t = 0; t < count; ++t) {
      vmovaps(ptr[rsp + kY + 64 * t], zmm0);
    }
    jmp(before);
    L(from_y);
    y_rows();
    for (int t = 0; t < count; ++t) {
      vmovups(zmm0 | k1 | T_z, ptr[rdx]);
      vmovaps(ptr[rsp + kY + 64 * t], zmm0);
      add(rdx, rcx);
    }
    L(before);
    if (groups_ > 0) {
      imul(rsi, r8, static_cast<int>(avx512_tile_bytes(groups_) / kTile));
      add(rsi, arg(offsetof(matmul_args, packed)));
      mov(rax, r15);
      shl(rax, 5);
      lea(r9, ptr[rsi + rax + static_cast<int>(groups_ * 256)]);
      shl(rax, 3);
      add(rsi, rax);
      mov(rdx, arg(offsetof(matmul_args, scratch)));
      lea(rcx, ptr[rsp + kScales]);
      mov(rax, ptr[rsp + kGroupCount]);
      some_groups(count, step);
    }
    y_rows();
    for (int t = 0; t < count; ++t) {
      vmovaps(zmm0, ptr[rsp + kY + 64 * t]);
      vmovups(ptr[rdx] | k1, zmm0);
      if (t + 1 < count) {
        add(rdx, rcx);
      }
    }
  }

  // rax groups; the other registers as group has them. As many are added up before their sums go to y whatever the number of tokens, so
  // that a token's results do not depend on the others.
  void some_groups(int count, int step) {
    const int half = static_cast<int>(groups_ / 2);
    const int together = groups_ < 4 ? static_cast<int>(groups_) : half < 4 ? half : 4;
    Xbyak::Label sums_loop;
    Xbyak::Label group_loop;
    L(sums_loop);
    if (step > together) {
      mov(ptr[rsp + kGroupsLeft], rax);
      mov(r10d, together);
      cmp(rax, r10);
      cmova(rax, r10);
    }
    for (int t = 0; t < count; ++t) {
      for (int j = 0; j < 4; ++j) {
        vpxord(sum(t, j), sum(t, j), sum(t, j));
      }
    }
    align(32);
    L(group_loop);
    group(count, step);
    add(rsi, 256);
    add(r9, 32);
    add(rdx, 1024);
    add(rcx, 128);
    dec(rax);
    jnz(group_loop, T_NEAR);
    for (int t = 0; t < count; ++t) {
      add_lanes(sum(t, 0), sum(t, 1), 0x44, 0xee);
      add_lanes(sum(t, 2), sum(t, 3), 0x44, 0xee);
      add_lanes(sum(t, 0), sum(t, 2), 0x88, 0xdd);
      vaddps(sum(t, 0), sum(t, 0), ptr[rsp + kY + 64 * t]);
      vmovaps(ptr[rsp + kY + 64 * t], sum(t, 0));
    }
    if (step > together) {
      mov(rax, ptr[rsp + kGroupsLeft]);
      sub(rax, together);
      ja(sums_loop, T_NEAR);
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

}  // namespace

// Generators are compiled without optimisation; this is no generator.
extern "C" [[gnu::optimize("O2")]] size_t matmul_q1_0_pack_jit_avx512_lut(void* packed, const void* w, size_t rows,
                                                                          size_t cols) {
  const size_t groups = cols / 128;
  const size_t bytes = (rows + 15) / 16 * avx512_tile_bytes(groups);
  if (packed == nullptr || bytes == 0) {
    return bytes;
  }
  if (rows % 16 != 0) {
    memset(static_cast<uint8_t*>(packed) + rows / 16 * avx512_tile_bytes(groups), 0, avx512_tile_bytes(groups));
  }
  const size_t rest = avx512_tile_bytes(groups) - groups * (256 + 32);
  for (size_t end = avx512_tile_bytes(groups); end <= bytes; end += avx512_tile_bytes(groups)) {
    memset(static_cast<uint8_t*>(packed) + end - rest, 0, rest);
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

extern "C" size_t matmul_q1_0_jit_avx512_lut(void* code, size_t capacity, const size_t* key) {
  return generate<Avx512>(code, capacity, key);
}
