// The layouts of packed weights that all tiles share. The build compiles each file of the family once for each, with
// LAYOUT_<name> and LAYOUT_BITS, the digits of its name, defined. A layout keeps the integers and scales of the file:
//   u8 u5 u4 u1   codes of so many bits and a scale for each row and block of 32 columns (u1: 128)
//   u2            likewise, of 64 columns
//   ut4, ue4      the codes are numbers in a table; ue4: a scale is a power of two
//   um4, um5      likewise with a minimum for each block: a weight is scale * code + minimum
//   uf8, uf4, umf4   as u8, u4 and um4, but scales and minima are floats
//   k6 k3 km5 km4 km2 kt4   blocks of 256 columns with one scale (m: and one minimum); each 16 or 32 columns of them have an
//                 integer scale (m: and an integer minimum)
//   k2            the same without such integers
//   k1            likewise, of codes 0, 1 and 2, five to a byte
//   t2            codes without scales: x has one scale a token, and the tensor's is in it
//
// Packed: panels of 16 rows, each aligned to 64 bytes; rows past the end are zeros. A panel is, for each block of columns, its
// codes; then for each block its scales. Codes lie in vectors of 64 bytes, 4 bytes for each row; 32 columns are eight groups
// of four, and byte k of a row has codes of column k of some groups:
//   8 bits  8 vectors, one for each group
//   4 bits  4 vectors; vector s: the low half of a byte is of group 2 s, the high half of group 2 s + 1
//   2 bits  2 vectors; vector s: bits 2 n and 2 n + 1 are of group 4 s + n
//   1 bit   1 vector; bit n is of group n, so that one mask takes the codes of four neighbours
// Codes of 3, 5 and 6 bits are the higher bits in such vectors behind the vectors of the lower ones (6: 4 and 2; 5: 4 and 1; 3: 2
// and 1). Of k1 a vector has five groups and the last of 13 four: a byte is a fraction of 256, of which the digits to the base of
// 3 are the codes, the first the most significant.
//
// Scales of a block lie in units of 32 bytes, two bytes for each row: the scale; the minimum; then for each pair of integer
// scales both, and then the pairs of integer minima. The scale is an fp16, and a power of two the upper half of a float. In km2,
// where each of those integers has 4 bits, a byte has the scale below and the minimum above. Where scales are floats a unit is 64
// bytes, four for each row.
#pragma once
#include <stddef.h>
#include <stdint.h>

#if defined LAYOUT_km2 || defined LAYOUT_km4 || defined LAYOUT_km5 || defined LAYOUT_k3 || defined LAYOUT_k6 || \
    defined LAYOUT_kt4
#define LAYOUT_SUB_SCALES 1
#else
#define LAYOUT_SUB_SCALES 0
#endif
#ifdef LAYOUT_t2
#define LAYOUT_I8_S 1
#else
#define LAYOUT_I8_S 0
#endif
#if LAYOUT_SUB_SCALES || defined LAYOUT_k1 || defined LAYOUT_k2
#define LAYOUT_Q8_K 1
#else
#define LAYOUT_Q8_K 0
#endif
#if defined LAYOUT_uf8 || defined LAYOUT_uf4 || defined LAYOUT_umf4
#define LAYOUT_FLOAT_SCALES 1
#else
#define LAYOUT_FLOAT_SCALES 0
#endif
#if defined LAYOUT_um4 || defined LAYOUT_um5 || defined LAYOUT_umf4 || defined LAYOUT_km2 || defined LAYOUT_km4 || \
    defined LAYOUT_km5
#define LAYOUT_MINIMA 1
#else
#define LAYOUT_MINIMA 0
#endif
#if defined LAYOUT_ut4 || defined LAYOUT_ue4 || defined LAYOUT_kt4
#define LAYOUT_TABLE 1
#else
#define LAYOUT_TABLE 0
#endif
#ifdef LAYOUT_k1
#define LAYOUT_TRITS 1
#else
#define LAYOUT_TRITS 0
#endif

enum {
  kPanel = 16,                                // rows
  kGroup = 4,                                 // columns
  kChunk = 32,                                // columns
  kVector = 64,                               // bytes
  kScaleBytes = LAYOUT_FLOAT_SCALES ? 4 : 2,  // of a row
  kUnit = kPanel * kScaleBytes,               // bytes of scales

// Columns that share a scale, and a scale of x.
#if defined LAYOUT_u1 || defined LAYOUT_t2
  kColumns = 128,
#elif defined LAYOUT_u2
  kColumns = 64,
#else
  kColumns = LAYOUT_Q8_K ? 256 : 32,
#endif
  kXColumns = LAYOUT_Q8_K ? 256 : 32,
  kXBytes = LAYOUT_Q8_K ? 292 : 34,
  kXHead = 8,  // of a token of I8_S: its scale and the sum of its codes
  kXOfBlock = kColumns / kXColumns,
  kQ8KSums = 260,  // where the sums of each 16 codes are in a block of Q8_K
#if defined LAYOUT_km2 || defined LAYOUT_k3 || defined LAYOUT_k6
  kSub = 16,  // columns that share an integer scale
#else
  kSub = 32,
#endif
  kPairs = 256 / kSub / 2,  // of integer scales

  // The bits of a code, lower ones first. A bit of u1 is the code 0 or 2.
  kLowBits = LAYOUT_BITS >= 4 && LAYOUT_BITS < 8 ? 4
             : LAYOUT_BITS == 3                  ? 2
                                                 : LAYOUT_BITS,
  kHighBits = LAYOUT_BITS - kLowBits,
  kLowVectors = kLowBits,  // of a chunk
  kChunkVectors = LAYOUT_BITS,
  kChunkBytes = kVector * kChunkVectors,
  kTritGroups = 5,    // of a vector
  kTritVectors = 13,  // of a block
  kBlockCodes = kVector * (LAYOUT_TRITS ? kTritVectors : kColumns / kChunk * kChunkVectors),
  kMinimumAt = kUnit,
  kSubScalesAt = (LAYOUT_MINIMA ? 2 : 1) * kUnit,
#ifdef LAYOUT_km2
  kSubMinimaAt = kSubScalesAt,
#else
  kSubMinimaAt = kSubScalesAt + kPairs * kUnit,
#endif
  kBlockScales = LAYOUT_I8_S          ? 0
                 : !LAYOUT_SUB_SCALES ? kSubScalesAt
                 : LAYOUT_MINIMA      ? kSubMinimaAt + kPairs * kUnit
                                      : kSubScalesAt + kPairs * kUnit,

// The code that stands for 0, and the largest.
#if LAYOUT_MINIMA
  kZero = 0,
#elif defined LAYOUT_ue4
  kZero = 12,
#elif LAYOUT_TABLE
  kZero = 128,
#elif defined LAYOUT_u2 || LAYOUT_TRITS || defined LAYOUT_k2 || defined LAYOUT_u1 || defined LAYOUT_t2
  kZero = 1,
#else
  kZero = 1 << (LAYOUT_BITS - 1),
#endif
#if defined LAYOUT_ue4
  kMostCode = 24,
#elif LAYOUT_TABLE
  kMostCode = 255,
#elif defined LAYOUT_u1 || LAYOUT_TRITS
  kMostCode = 2,
#else
  kMostCode = (1 << LAYOUT_BITS) - 1,
#endif
  // VPMADDUBSW would saturate: 255 * 128 * 2 is no int16.
  kWideCodes = kMostCode == 255,

  // A prepared block of x: its scale as a float, 4 bytes of the sum of its codes, then likewise of the sums of each 16 or 32 codes
  // (or the pairs of them as int16, for integer minima), and its codes, of which some tiles want words.
  kXSums = 8,
  kXCodes = kXSums + (!LAYOUT_SUB_SCALES ? 0
                      : LAYOUT_MINIMA    ? 4 * kPairs
                                         : 8 * kPairs),
  kScratch = kXCodes + (kWideCodes ? 2 : 1) * kXColumns,
  kAhead = 4096,  // bytes that the weights of one token are prefetched ahead
  kBatch = 64,    // tokens that are prepared at once: their panel's weights stay in a cache
};

#if LAYOUT_TABLE
// What the codes of the file stand for, plus kZero.
static const uint8_t kTable[16] = {
#ifdef LAYOUT_ue4
    12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0,
#else
    1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241,
#endif
};
#endif

static inline size_t panel_bytes(size_t blocks) { return (blocks * (kBlockCodes + kBlockScales) + 63) / 64 * 64; }
