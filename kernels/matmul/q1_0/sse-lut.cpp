#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "kernels/formats/format.h"
#include "kernels/matmul/kernel.h"

extern "C" matmul_fn matmul_q1_0_sse_lut;
extern "C" matmul_pack_fn matmul_q1_0_pack_sse_lut;

// Table lookup in place of multiplication, after T-MAC (Wei et al., "T-MAC: CPU Renaissance via Table Lookup for
// Low-Bit LLM Deployment on Edge", 2024): for four columns of a token the sums S of the activations whose bits are set
// are 16 values, and PSHUFB looks them up for 16 rows at once, by the rows' four bits.
//
// S + 512 is in 0..1020 and so is 32 H + L with H and L in 0..31. Eight lookups, 32 columns, add up to at most 248: the
// sums of H and of L stay bytes over a whole block, and one PMADDUBSW makes 64 H + 2 L = 2 S + 8192 of them. With
// the sum Q of the block's activations, I = 2 S - Q.
//
// Packed: for each 16 rows (a tile) and 128 columns (a group), d1 of the rows as floats, then 16 vectors of 16 bytes,
// the bits of eight columns each.

static const size_t kTile = 16;
static const size_t kGroupBytes = 4 * 16 + 16 * 16;
static const size_t kMaxGroups = 16;  // at a time: their tables are 16 KiB, half of an L1 cache

extern "C" size_t matmul_q1_0_pack_sse_lut(void* packed, const void* w, size_t rows, size_t cols) {
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
    for (size_t g = 0; g < groups; ++g, from += 18, to += kGroupBytes) {
      const float d1 = half_to_float(read_u16(from));
      memcpy(to + 4 * row, &d1, 4);
      for (size_t j = 0; j < 16; ++j) {
        to[64 + 16 * j + row] = from[2 + j];
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

// 256 bytes of tables for each block: for four columns, a table of L and one of H.
static inline void build_tables(uint8_t* table, struct Scale* scale, const uint8_t* x, size_t blocks) {
  const __m128i bytes01 = _mm_set1_epi16(0x0100);
  const __m128i bytes23 = _mm_set1_epi16(0x0302);
  // Entries 0..7 in words: bits 0 and 1 of the entry for q0 and q1, bit 2 for q2; q3 is in the upper eight entries.
  const __m128i bits01 = _mm_set_epi32(0x01010100, 0x00010000, 0x01010100, 0x00010000);
  const __m128i bit2 = _mm_set_epi32(0x00010001, 0x00010001, 0, 0);
  const __m128i bit3 = _mm_set1_epi16(0x0100);
  const __m128i offset = _mm_set1_epi16(512);
  const __m128i low = _mm_set1_epi16(31);
  for (size_t b = 0; b < blocks; ++b, x += 34) {
    int sum = 0;
    for (int k = 0; k < 8; ++k, table += 32) {
      int32_t q;
      memcpy(&q, x + 2 + 4 * k, 4);
      const __m128i q01 = _mm_shuffle_epi8(_mm_cvtsi32_si128(q), bytes01);
      const __m128i q23 = _mm_shuffle_epi8(_mm_cvtsi32_si128(q), bytes23);
      const __m128i s012 = _mm_add_epi16(_mm_maddubs_epi16(bits01, q01), _mm_maddubs_epi16(bit2, q23));
      const __m128i s = _mm_add_epi16(s012, offset);
      const __m128i s3 = _mm_add_epi16(s, _mm_maddubs_epi16(bit3, q23));
      _mm_store_si128((__m128i*)table, _mm_packus_epi16(_mm_and_si128(s, low), _mm_and_si128(s3, low)));
      _mm_store_si128((__m128i*)(table + 16), _mm_packus_epi16(_mm_srli_epi16(s, 5), _mm_srli_epi16(s3, 5)));
      sum += _mm_extract_epi16(s3, 7) - 512;  // the entry with every bit set
    }
    scale[b].d8 = half_to_float(read_u16(x));
    scale[b].zero = (float)(8388608 + 8192 + sum);
  }
}

// One tile times one token over some groups of columns: sums[16] += ...
static inline void run_tile(float* sums, const uint8_t* packed, const uint8_t* table, const struct Scale* scale,
                            size_t groups) {
  const __m128i nibble = _mm_set1_epi8(15);
  const __m128i weights = _mm_set1_epi16(0x4002);  // 2 L + 64 H
  const __m128i magic = _mm_set1_epi16(0x4b00);    // above a word it makes the float 2^23 + word
  __m128 sum[4];
  for (int j = 0; j < 4; ++j) {
    sum[j] = _mm_loadu_ps(sums + 4 * j);
  }
  for (size_t g = 0; g < groups; ++g, packed += kGroupBytes) {
    __m128 part[4] = {_mm_setzero_ps(), _mm_setzero_ps(), _mm_setzero_ps(), _mm_setzero_ps()};
    for (size_t b = 0; b < 4; ++b, table += 256, ++scale) {
      const uint8_t* bits = packed + 64 + 64 * b;
      __m128i l = _mm_setzero_si128();
      __m128i h = l;
#pragma GCC unroll 4
      for (int p = 0; p < 4; ++p) {
        const __m128i two = _mm_load_si128((const __m128i*)(bits + 16 * p));
        const __m128i first = _mm_and_si128(two, nibble);
        const __m128i second = _mm_and_si128(_mm_srli_epi16(two, 4), nibble);
        const __m128i* at = (const __m128i*)(table + 64 * p);
        l = _mm_add_epi8(l, _mm_shuffle_epi8(_mm_load_si128(at), first));
        h = _mm_add_epi8(h, _mm_shuffle_epi8(_mm_load_si128(at + 1), first));
        l = _mm_add_epi8(l, _mm_shuffle_epi8(_mm_load_si128(at + 2), second));
        h = _mm_add_epi8(h, _mm_shuffle_epi8(_mm_load_si128(at + 3), second));
      }
      const __m128i s0 = _mm_maddubs_epi16(_mm_unpacklo_epi8(l, h), weights);
      const __m128i s1 = _mm_maddubs_epi16(_mm_unpackhi_epi8(l, h), weights);
      const __m128 d8 = _mm_set1_ps(scale->d8);
      const __m128 zero = _mm_set1_ps(scale->zero);
      const __m128 i0 = _mm_sub_ps(_mm_castsi128_ps(_mm_unpacklo_epi16(s0, magic)), zero);
      const __m128 i1 = _mm_sub_ps(_mm_castsi128_ps(_mm_unpackhi_epi16(s0, magic)), zero);
      const __m128 i2 = _mm_sub_ps(_mm_castsi128_ps(_mm_unpacklo_epi16(s1, magic)), zero);
      const __m128 i3 = _mm_sub_ps(_mm_castsi128_ps(_mm_unpackhi_epi16(s1, magic)), zero);
      part[0] = _mm_add_ps(part[0], _mm_mul_ps(d8, i0));
      part[1] = _mm_add_ps(part[1], _mm_mul_ps(d8, i1));
      part[2] = _mm_add_ps(part[2], _mm_mul_ps(d8, i2));
      part[3] = _mm_add_ps(part[3], _mm_mul_ps(d8, i3));
    }
    for (int j = 0; j < 4; ++j) {
      sum[j] = _mm_add_ps(sum[j], _mm_mul_ps(_mm_load_ps((const float*)packed + 4 * j), part[j]));
    }
  }
  for (int j = 0; j < 4; ++j) {
    _mm_storeu_ps(sums + 4 * j, sum[j]);
  }
}

extern "C" void matmul_q1_0_sse_lut(const struct matmul_args* a) {
  const size_t groups = a->cols / 128;
  if (a->row_begin >= a->row_end) {
    return;
  }
  for (size_t t = 0; t < a->tokens; ++t) {
    float* y = a->y + t * a->ldy;
    const uint8_t* x = (const uint8_t*)a->x + t * groups * 4 * 34;
    const size_t bytes = (a->row_end - a->row_begin) * sizeof(float);
    if (a->bias != NULL) {
      memcpy(y + a->row_begin, a->bias + a->row_begin, bytes);
    } else {
      memset(y + a->row_begin, 0, bytes);
    }
    for (size_t g = 0; g < groups; g += kMaxGroups) {
      const size_t count = groups - g < kMaxGroups ? groups - g : kMaxGroups;
      uint8_t* tables = (uint8_t*)a->scratch;
      struct Scale scales[4 * kMaxGroups];
      build_tables(tables, scales, x + g * 4 * 34, 4 * count);
      for (size_t r = a->row_begin; r < a->row_end; r += kTile) {
        const uint8_t* packed = (const uint8_t*)a->packed + (r / kTile * groups + g) * kGroupBytes;
        if (a->row_end - r >= kTile) {
          run_tile(y + r, packed, tables, scales, count);
        } else {
          const size_t rest_bytes = (a->row_end - r) * sizeof(float);
          float rest[kTile] = {};
          memcpy(rest, y + r, rest_bytes);
          run_tile(rest, packed, tables, scales, count);
          memcpy(y + r, rest, rest_bytes);
        }
      }
    }
  }
}
