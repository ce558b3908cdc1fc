#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "kernels/matmul/kernel.h"

extern "C" matmul_fn matmul_q1_0_avx2_lut;
extern "C" matmul_pack_fn matmul_q1_0_pack_avx2_lut;

// Table lookup in place of multiplication, after T-MAC (Wei et al., "T-MAC: CPU Renaissance via Table Lookup for
// Low-Bit LLM Deployment on Edge", 2024): for four columns of a token the sums S of the activations whose bits are set
// are 16 values, and VPSHUFB looks them up for 32 rows at once, by the rows' four bits.
//
// S + 512 is in 0..1020 and so is 32 H + L with H and L in 0..31. Eight lookups, 32 columns, add up to at most 248: the
// sums of H and of L stay bytes over a whole block, and one VPMADDUBSW makes 64 H + 2 L = 2 S + 8192 of them. With
// the sum Q of the block's activations, I = 2 S - Q.
//
// Packed: for each 32 rows (a tile) and 128 columns (a group), d1 of the rows as fp16, then 16 vectors of 32 bytes, the
// bits of eight columns each. The rows are in the order that the unpacking at the end of a block undoes.

static const size_t kTile = 32;
static const size_t kGroupBytes = 2 * 32 + 16 * 32;
static const size_t kMaxBlocks = 64;  // of all tokens at a time: their tables are 16 KiB, half of an L1 cache

extern "C" size_t matmul_q1_0_pack_avx2_lut(void* packed, const void* w, size_t rows, size_t cols) {
  const size_t groups = cols / 128;
  const size_t bytes = (rows + kTile - 1) / kTile * groups * kGroupBytes;
  if (packed == NULL || bytes == 0) {
    return bytes;
  }
  if (rows % kTile != 0) {
    memset((uint8_t*)packed + rows / kTile * groups * kGroupBytes, 0, groups * kGroupBytes);
  }
  for (size_t r = 0; r < rows; ++r) {
    const uint8_t* from = (const uint8_t*)w + r * groups * 18;
    uint8_t* to = (uint8_t*)packed + r / kTile * groups * kGroupBytes;
    const size_t row = r % kTile;
    const size_t place = row / 4 % 2 * 16 + row / 8 * 4 + row % 4;
    for (size_t g = 0; g < groups; ++g, from += 18, to += kGroupBytes) {
      memcpy(to + 2 * row, from, 2);
      for (size_t j = 0; j < 16; ++j) {
        to[64 + 32 * j + place] = from[2 + j];
      }
    }
  }
  return bytes;
}

// What is one number for a token's block.
struct Scale {
  float d8;
  float zero;  // what I = 0 looks like: 2^23 + 8192 + Q
};

// 256 bytes of tables for each block: for eight columns, two tables of L and two of H.
static inline void build_tables(uint8_t* table, struct Scale* scale, const uint8_t* x, size_t blocks) {
  const __m256i bytes01 = _mm256_setr_m128i(_mm_set1_epi16(0x0100), _mm_set1_epi16(0x0504));
  const __m256i bytes23 = _mm256_add_epi8(bytes01, _mm256_set1_epi8(2));
  // Entries 0..7 in words: bits 0 and 1 of the entry for q0 and q1, bit 2 for q2; q3 is in the upper eight entries.
  const __m256i bits01 = _mm256_broadcastsi128_si256(_mm_set_epi32(0x01010100, 0x00010000, 0x01010100, 0x00010000));
  const __m256i bit2 = _mm256_broadcastsi128_si256(_mm_set_epi32(0x00010001, 0x00010001, 0, 0));
  const __m256i bit3 = _mm256_set1_epi16(0x0100);
  const __m256i offset = _mm256_set1_epi16(512);
  const __m256i low = _mm256_set1_epi16(31);
  for (size_t b = 0; b < blocks; ++b, x += 34) {
    for (int k = 0; k < 4; ++k, table += 64) {
      long long q;
      memcpy(&q, x + 2 + 8 * k, 8);
      const __m256i two = _mm256_set1_epi64x(q);
      const __m256i q01 = _mm256_shuffle_epi8(two, bytes01);
      const __m256i q23 = _mm256_shuffle_epi8(two, bytes23);
      const __m256i s012 = _mm256_add_epi16(_mm256_maddubs_epi16(bits01, q01), _mm256_maddubs_epi16(bit2, q23));
      const __m256i s = _mm256_add_epi16(s012, offset);
      const __m256i s3 = _mm256_add_epi16(s, _mm256_maddubs_epi16(bit3, q23));
      const __m256i l = _mm256_packus_epi16(_mm256_and_si256(s, low), _mm256_and_si256(s3, low));
      const __m256i h = _mm256_packus_epi16(_mm256_srli_epi16(s, 5), _mm256_srli_epi16(s3, 5));
      _mm256_store_si256((__m256i*)table, l);
      _mm256_store_si256((__m256i*)(table + 32), h);
    }
    const __m256i unsigned_q = _mm256_xor_si256(_mm256_loadu_si256((const __m256i*)(x + 2)), _mm256_set1_epi8(-128));
    const __m256i sums = _mm256_sad_epu8(unsigned_q, _mm256_setzero_si256());
    const __m128i pair = _mm_add_epi64(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    const int sum = _mm_cvtsi128_si32(pair) + _mm_extract_epi16(pair, 4) - 32 * 128;
    uint16_t d8;
    memcpy(&d8, x, 2);
    scale[b].d8 = _cvtsh_ss(d8);
    scale[b].zero = (float)(8388608 + 8192 + sum);
  }
}

static inline __m256i lookup(const uint8_t* table, __m256i index) {
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_load_si128((const __m128i*)table)), index);
}

// One tile times kTokens tokens over some groups of columns: y[t] (32 floats) += ...
template <int kTokens>
static inline void run_tile(float* const* y, const uint8_t* packed, const uint8_t* tables, const struct Scale* scales,
                            size_t groups) {
  const __m256i nibble = _mm256_set1_epi8(15);
  const __m256i weights = _mm256_set1_epi16(0x4002);  // 2 L + 64 H
  const __m256i magic = _mm256_set1_epi16(0x4b00);    // above a word it makes the float 2^23 + word
  for (size_t g = 0; g < groups; ++g, packed += kGroupBytes) {
    __m256 part[kTokens][4];
#pragma GCC unroll 2
    for (int t = 0; t < kTokens; ++t) {
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        part[t][j] = _mm256_setzero_ps();
      }
    }
    for (size_t b = 0; b < 4; ++b) {
      const uint8_t* bits = packed + 64 + 128 * b;
      __m256i l[kTokens];
      __m256i h[kTokens];
#pragma GCC unroll 4
      for (size_t p = 0; p < 4; ++p) {
        const __m256i two = _mm256_load_si256((const __m256i*)(bits + 32 * p));
        const __m256i first = _mm256_and_si256(two, nibble);
        const __m256i second = _mm256_and_si256(_mm256_srli_epi16(two, 4), nibble);
#pragma GCC unroll 2
        for (size_t t = 0; t < kTokens; ++t) {
          const uint8_t* table = tables + 256 * ((t * groups + g) * 4 + b) + 64 * p;
          const __m256i l1 = lookup(table, first);
          const __m256i h1 = lookup(table + 32, first);
          l[t] = p == 0 ? l1 : _mm256_add_epi8(l[t], l1);
          h[t] = p == 0 ? h1 : _mm256_add_epi8(h[t], h1);
          l[t] = _mm256_add_epi8(l[t], lookup(table + 16, second));
          h[t] = _mm256_add_epi8(h[t], lookup(table + 48, second));
          // GCC would reassociate the sums to have all lookups first, and spill them.
          asm("" : "+x"(l[t]), "+x"(h[t]));
        }
      }
#pragma GCC unroll 2
      for (size_t t = 0; t < kTokens; ++t) {
        const struct Scale* scale = scales + (t * groups + g) * 4 + b;
        const __m256i s0 = _mm256_maddubs_epi16(_mm256_unpacklo_epi8(l[t], h[t]), weights);
        const __m256i s1 = _mm256_maddubs_epi16(_mm256_unpackhi_epi8(l[t], h[t]), weights);
        const __m256 d8 = _mm256_set1_ps(scale->d8);
        const __m256 zero = _mm256_set1_ps(scale->zero);
        const __m256 i0 = _mm256_sub_ps(_mm256_castsi256_ps(_mm256_unpacklo_epi16(s0, magic)), zero);
        const __m256 i1 = _mm256_sub_ps(_mm256_castsi256_ps(_mm256_unpackhi_epi16(s0, magic)), zero);
        const __m256 i2 = _mm256_sub_ps(_mm256_castsi256_ps(_mm256_unpacklo_epi16(s1, magic)), zero);
        const __m256 i3 = _mm256_sub_ps(_mm256_castsi256_ps(_mm256_unpackhi_epi16(s1, magic)), zero);
        part[t][0] = _mm256_fmadd_ps(d8, i0, part[t][0]);
        part[t][1] = _mm256_fmadd_ps(d8, i1, part[t][1]);
        part[t][2] = _mm256_fmadd_ps(d8, i2, part[t][2]);
        part[t][3] = _mm256_fmadd_ps(d8, i3, part[t][3]);
      }
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const __m256 d1 = _mm256_cvtph_ps(_mm_load_si128((const __m128i*)(packed + 16 * j)));
#pragma GCC unroll 2
      for (int t = 0; t < kTokens; ++t) {
        _mm256_storeu_ps(y[t] + 8 * j, _mm256_fmadd_ps(d1, part[t][j], _mm256_loadu_ps(y[t] + 8 * j)));
      }
    }
  }
}

template <int kTokens>
static void run_tokens(const struct matmul_args* a, size_t token) {
  const size_t groups = a->cols / 128;
  const uint8_t* x = (const uint8_t*)a->x + token * (a->cols / 32) * 34;
  uint8_t* tables = (uint8_t*)a->scratch;
  struct Scale scales[kMaxBlocks];
  for (int t = 0; t < kTokens; ++t) {
    float* y = a->y + (token + (size_t)t) * a->ldy + a->row_begin;
    if (a->bias != NULL) {
      memcpy(y, a->bias + a->row_begin, (a->row_end - a->row_begin) * sizeof(float));
    } else {
      memset(y, 0, (a->row_end - a->row_begin) * sizeof(float));
    }
  }
  const size_t step = kMaxBlocks / 4 / kTokens;
  for (size_t g = 0; g < groups; g += step) {
    const size_t count = groups - g < step ? groups - g : step;
    for (size_t t = 0; t < kTokens; ++t) {
      build_tables(tables + 1024 * t * count, scales + 4 * t * count, x + (t * groups + g) * 4 * 34, 4 * count);
    }
    for (size_t r = a->row_begin; r < a->row_end; r += kTile) {
      const uint8_t* packed = (const uint8_t*)a->packed + (r / kTile * groups + g) * kGroupBytes;
      float* y[kTokens];
      if (a->row_end - r >= kTile) {
        for (size_t t = 0; t < kTokens; ++t) {
          y[t] = a->y + (token + t) * a->ldy + r;
        }
        run_tile<kTokens>(y, packed, tables, scales, count);
      } else {
        const size_t bytes = (a->row_end - r) * sizeof(float);
        float rest[kTokens][kTile];
        memset(rest, 0, sizeof rest);
        for (size_t t = 0; t < kTokens; ++t) {
          y[t] = rest[t];
          memcpy(rest[t], a->y + (token + t) * a->ldy + r, bytes);
        }
        run_tile<kTokens>(y, packed, tables, scales, count);
        for (size_t t = 0; t < kTokens; ++t) {
          memcpy(a->y + (token + t) * a->ldy + r, rest[t], bytes);
        }
      }
    }
  }
}

extern "C" void matmul_q1_0_avx2_lut(const struct matmul_args* a) {
  if (a->row_begin >= a->row_end) {
    return;
  }
  size_t t = 0;
  for (; t + 2 <= a->tokens; t += 2) {
    run_tokens<2>(a, t);
  }
  if (t < a->tokens) {
    run_tokens<1>(a, t);
  }
}
