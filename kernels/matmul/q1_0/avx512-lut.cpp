#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "kernels/matmul/kernel.h"

extern "C" matmul_fn matmul_q1_0_avx512_lut;
extern "C" matmul_pack_fn matmul_q1_0_pack_avx512_lut;

// Table lookup in place of multiplication, after T-MAC (Wei et al., "T-MAC: CPU Renaissance via Table Lookup for
// Low-Bit LLM Deployment on Edge", 2024): for four columns of a token the sums S of the activations whose bits are set
// are 16 values, and VPSHUFB looks them up by the rows' four bits.
//
// S + 512 is in 0..1020 and so is 32 H + L with H and L in 0..31. Eight lookups, 32 columns, add up to at most 248: the
// sums of H and of L stay bytes over a whole block, and one VPMADDUBSW makes 64 H + 2 L = 2 S + 8192 of them. With
// the sum Q of the block's activations, I = 2 S - Q.
//
// Each of the four lanes of a vector has a block of its own, so that tables are plain loads (VBROADCASTI32X4 takes a
// shuffle unit from VPSHUFB on Zen 5), and the lanes are added up once, behind the last column.
//
// Packed: for each 16 rows (a strip), first the bits: for each 128 columns (a group) four vectors, vector p with
// columns 32 i + 8 p .. + 7 of the rows in lane i; then d1, 16 fp16 for each group.

static const size_t kStrip = 16;
static const size_t kMaxGroups = 16;  // of all tokens at a time: their tables are 16 KiB, half of an L1 cache

static inline size_t strip_bytes(size_t groups) { return (groups * (256 + 32) + 63) / 64 * 64; }

extern "C" size_t matmul_q1_0_pack_avx512_lut(void* packed, const void* w, size_t rows, size_t cols) {
  const size_t groups = cols / 128;
  const size_t strips = (rows + kStrip - 1) / kStrip;
  const size_t bytes = strips * strip_bytes(groups);
  if (packed == NULL || bytes == 0) {
    return bytes;
  }
  if (rows % kStrip != 0) {
    memset((uint8_t*)packed + (strips - 1) * strip_bytes(groups), 0, strip_bytes(groups));
  }
  const size_t rest = strip_bytes(groups) - groups * (256 + 32);
  for (size_t s = 0; s < strips; ++s) {
    memset((uint8_t*)packed + (s + 1) * strip_bytes(groups) - rest, 0, rest);
  }
  for (size_t r = 0; r < rows; ++r) {
    const uint8_t* from = (const uint8_t*)w + r * groups * 18;
    uint8_t* bits = (uint8_t*)packed + r / kStrip * strip_bytes(groups) + r % kStrip;
    uint8_t* d1 = (uint8_t*)packed + r / kStrip * strip_bytes(groups) + groups * 256 + r % kStrip * 2;
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

// A number for each of the four blocks of a token's group, four times in the block's lane.
struct Scales {
  float d8[16];
  float zero[16];  // what I = 0 looks like: 2^23 + 8192 + Q
};

static inline __m512i four_blocks(const uint8_t* x) {
  const __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i*)x)),
                                              _mm_loadu_si128((const __m128i*)(x + 34)), 1);
  const __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i*)(x + 68))),
                                               _mm_loadu_si128((const __m128i*)(x + 102)), 1);
  return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

static inline long long half_at(const uint8_t* p) {
  uint16_t half;
  memcpy(&half, p, 2);
  return half;
}

// 1024 bytes of tables for each group: for the k-th four columns of each block four tables of L, then four of H.
static inline void build_tables(uint8_t* table, struct Scales* scales, const uint8_t* x, size_t groups) {
  const __m512i first = _mm512_set1_epi16(0x0100);  // bytes 0 and 1 of a lane
  // Entries 0..7 in words: bits 0 and 1 of the entry for q0 and q1, bit 2 for q2; q3 is in the upper eight entries.
  const __m512i bits01 = _mm512_broadcast_i32x4(_mm_set_epi32(0x01010100, 0x00010000, 0x01010100, 0x00010000));
  const __m512i bit2 = _mm512_broadcast_i32x4(_mm_set_epi32(0x00010001, 0x00010001, 0, 0));
  const __m512i bit3 = _mm512_set1_epi16(0x0100);
  const __m512i offset = _mm512_set1_epi16(512);
  const __m512i low = _mm512_set1_epi16(31);
  const __m512i lanes = _mm512_set_epi32(3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0);
  for (size_t g = 0; g < groups; ++g, x += 4 * 34) {
    __m512i sums = _mm512_set1_epi64(0);
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const __m512i q = four_blocks(x + 2 + 16 * half);
      const __m512i unsigned_q = _mm512_xor_si512(q, _mm512_set1_epi8(-128));
      sums = _mm512_add_epi32(sums, _mm512_sad_epu8(unsigned_q, _mm512_setzero_si512()));
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k, table += 128) {
        const __m512i q01 = _mm512_shuffle_epi8(q, _mm512_add_epi8(first, _mm512_set1_epi8((char)(4 * k))));
        const __m512i q23 = _mm512_shuffle_epi8(q, _mm512_add_epi8(first, _mm512_set1_epi8((char)(4 * k + 2))));
        const __m512i s012 = _mm512_add_epi16(_mm512_maddubs_epi16(bits01, q01), _mm512_maddubs_epi16(bit2, q23));
        const __m512i s = _mm512_add_epi16(s012, offset);
        const __m512i s3 = _mm512_add_epi16(s, _mm512_maddubs_epi16(bit3, q23));
        _mm512_store_si512(table, _mm512_packus_epi16(_mm512_and_si512(s, low), _mm512_and_si512(s3, low)));
        _mm512_store_si512(table + 64, _mm512_packus_epi16(_mm512_srli_epi16(s, 5), _mm512_srli_epi16(s3, 5)));
      }
    }
    // Two 64-bit sums a lane, of q + 128: their total is the fraction of the float.
    sums = _mm512_shuffle_epi32(_mm512_add_epi32(sums, _mm512_shuffle_epi32(sums, _MM_PERM_BADC)), _MM_PERM_CCAA);
    _mm512_storeu_si512(scales[g].zero, _mm512_add_epi32(sums, _mm512_set1_epi32(0x4b000000 + 8192 - 32 * 128)));
    const long long halves = half_at(x) | half_at(x + 34) << 16 | half_at(x + 68) << 32 | half_at(x + 102) << 48;
    const __m128 d8 = _mm_cvtph_ps(_mm_cvtsi64_si128(halves));
    _mm512_storeu_ps(scales[g].d8, _mm512_permutexvar_ps(lanes, _mm512_castps128_ps512(d8)));
  }
}

static inline __m512i lookup(const uint8_t* table, __m512i index) {
  return _mm512_shuffle_epi8(_mm512_load_si512(table), index);
}

// out[t] = one strip times token t over some groups of columns; of a token's tables and scales there are `apart`.
template <int kTokens>
static inline void run_strip(__m512* out, const uint8_t* bits, const uint8_t* scales_of_rows, const uint8_t* tables,
                             const struct Scales* scales, size_t apart, size_t groups) {
  const __m512i nibble = _mm512_set1_epi8(15);
  const __m512i weights = _mm512_set1_epi16(0x4002);  // 2 L + 64 H
  const __m512i magic = _mm512_set1_epi16(0x4b00);    // above a word it makes the float 2^23 + word
  __m512 sum[kTokens][4];                             // [j]: rows 4 j .. 4 j + 3 in each lane
#pragma GCC unroll 4
  for (int t = 0; t < kTokens; ++t) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      sum[t][j] = _mm512_setzero_ps();
    }
  }
  for (size_t g = 0; g < groups; ++g, bits += 256, scales_of_rows += 32) {
    const __m512 d = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)scales_of_rows));
    const __m512 d0 = _mm512_shuffle_f32x4(d, d, 0x00);
    const __m512 d1 = _mm512_shuffle_f32x4(d, d, 0x55);
    const __m512 d2 = _mm512_shuffle_f32x4(d, d, 0xaa);
    const __m512 d3 = _mm512_shuffle_f32x4(d, d, 0xff);
    __m512i index[8];
#pragma GCC unroll 4
    for (int p = 0; p < 4; ++p) {
      const __m512i two = _mm512_load_si512(bits + 64 * p);
      index[2 * p] = _mm512_and_si512(two, nibble);
      index[2 * p + 1] = _mm512_and_si512(_mm512_srli_epi16(two, 4), nibble);
    }
#pragma GCC unroll 4
    for (size_t t = 0; t < kTokens; ++t) {
      const uint8_t* table = tables + 1024 * (t * apart + g);
      const struct Scales* scale = scales + t * apart + g;
      __m512i l = lookup(table, index[0]);
      __m512i h = lookup(table + 64, index[0]);
#pragma GCC unroll 7
      for (size_t k = 1; k < 8; ++k) {
        l = _mm512_add_epi8(l, lookup(table + 128 * k, index[k]));
        h = _mm512_add_epi8(h, lookup(table + 128 * k + 64, index[k]));
        if (kTokens > 1) {
          // GCC would reassociate the sums to have all lookups first, and spill them.
          asm("" : "+v"(l), "+v"(h));
        }
      }
      const __m512i s0 = _mm512_maddubs_epi16(_mm512_unpacklo_epi8(l, h), weights);
      const __m512i s1 = _mm512_maddubs_epi16(_mm512_unpackhi_epi8(l, h), weights);
      const __m512 zero = _mm512_loadu_ps(scale->zero);
      const __m512 i0 = _mm512_sub_ps(_mm512_castsi512_ps(_mm512_unpacklo_epi16(s0, magic)), zero);
      const __m512 i1 = _mm512_sub_ps(_mm512_castsi512_ps(_mm512_unpackhi_epi16(s0, magic)), zero);
      const __m512 i2 = _mm512_sub_ps(_mm512_castsi512_ps(_mm512_unpacklo_epi16(s1, magic)), zero);
      const __m512 i3 = _mm512_sub_ps(_mm512_castsi512_ps(_mm512_unpackhi_epi16(s1, magic)), zero);
      const __m512 d8 = _mm512_loadu_ps(scale->d8);
      // d1 * d8 is exact: 22 bits.
      sum[t][0] = _mm512_fmadd_ps(_mm512_mul_ps(d8, d0), i0, sum[t][0]);
      sum[t][1] = _mm512_fmadd_ps(_mm512_mul_ps(d8, d1), i1, sum[t][1]);
      sum[t][2] = _mm512_fmadd_ps(_mm512_mul_ps(d8, d2), i2, sum[t][2]);
      sum[t][3] = _mm512_fmadd_ps(_mm512_mul_ps(d8, d3), i3, sum[t][3]);
    }
  }
#pragma GCC unroll 4
  for (int t = 0; t < kTokens; ++t) {
    const __m512* s = sum[t];
    const __m512 s01 = _mm512_add_ps(_mm512_shuffle_f32x4(s[0], s[1], 0x44), _mm512_shuffle_f32x4(s[0], s[1], 0xee));
    const __m512 s23 = _mm512_add_ps(_mm512_shuffle_f32x4(s[2], s[3], 0x44), _mm512_shuffle_f32x4(s[2], s[3], 0xee));
    out[t] = _mm512_add_ps(_mm512_shuffle_f32x4(s01, s23, 0x88), _mm512_shuffle_f32x4(s01, s23, 0xdd));
  }
}

// Groups whose sums are added to y together: as many whatever the number of tokens, so that a token's results do not depend on the others.
static inline size_t groups_together(size_t groups) { return groups < 4 ? groups : groups / 2 < 4 ? groups / 2 : 4; }

template <int kTokens>
static void run_tokens(const struct matmul_args* a, size_t token) {
  const size_t groups = a->cols / 128;
  const uint8_t* x = (const uint8_t*)a->x + token * groups * 4 * 34;
  uint8_t* tables = (uint8_t*)a->scratch;
  struct Scales scales[kMaxGroups];
  // Scratch holds the tables of two tokens; more tokens share it column by column.
  size_t step = 2 * groups / kTokens;
  if (step > kMaxGroups / kTokens || step == 0) {  // 0: no columns, then one step gives the bias
    step = kMaxGroups / kTokens;
  }
  const size_t together = groups_together(groups);
  size_t g = 0;
  do {
    const size_t count = groups - g < step ? groups - g : step;
    for (size_t t = 0; t < kTokens; ++t) {
      build_tables(tables + 1024 * t * count, scales + t * count, x + (t * groups + g) * 4 * 34, count);
    }
    for (size_t r = a->row_begin; r < a->row_end; r += kStrip) {
      const uint8_t* strip = (const uint8_t*)a->packed + r / kStrip * strip_bytes(groups);
      const __mmask16 mask = a->row_end - r < kStrip ? (__mmask16)((1u << (a->row_end - r)) - 1) : (__mmask16)0xffff;
      __m512 y[kTokens];
#pragma GCC unroll 4
      for (size_t t = 0; t < kTokens; ++t) {
        const float* from = g == 0 ? a->bias + r : a->y + (token + t) * a->ldy + r;
        y[t] = g == 0 && a->bias == NULL ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(mask, from);
      }
      size_t first = 0;
      do {
        const size_t n = count - first < together ? count - first : together;
        __m512 out[kTokens];
        run_strip<kTokens>(out, strip + (g + first) * 256, strip + groups * 256 + (g + first) * 32,
                           tables + 1024 * first, scales + first, count, n);
#pragma GCC unroll 4
        for (size_t t = 0; t < kTokens; ++t) {
          y[t] = _mm512_add_ps(y[t], out[t]);
        }
        first += n;
      } while (first < count);
#pragma GCC unroll 4
      for (size_t t = 0; t < kTokens; ++t) {
        _mm512_mask_storeu_ps(a->y + (token + t) * a->ldy + r, mask, y[t]);
      }
    }
    g += step;
  } while (g < groups);
}

extern "C" void matmul_q1_0_avx512_lut(const struct matmul_args* a) {
  size_t t = 0;
  if (a->cols >= 512) {  // else the steps through scratch are so short that two tokens are faster
    for (; t + 4 <= a->tokens; t += 4) {
      run_tokens<4>(a, t);
    }
  }
  for (; t + 2 <= a->tokens; t += 2) {
    run_tokens<2>(a, t);
  }
  if (t < a->tokens) {
    run_tokens<1>(a, t);
  }
}
