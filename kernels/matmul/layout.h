// The layout of packed weights that all tiles share, for codes of LAYOUT_BITS (8, 4 or 1) and one fp16 scale for each row and
// 32 columns. The build compiles each file of the family once for each layout.
//
// Packed: panels of 16 rows, each aligned to 64 bytes; rows past the end have scale 0 and codes that stand for 0. A panel is,
// for each block of 32 columns, its codes; then for each block its 16 scales. The codes of a block are steps of 64 bytes,
// 4 bytes for each row:
//   8 bits  8 steps; byte k of a row in step g is the code of column 4 g + k.
//   4 bits  4 steps; its low half is that of column 4 g + k, its high half that of column 16 + 4 g + k.
//   1 bit   1 step; bit i of byte k is that of column 4 i + k, so that one mask takes the codes of four neighbours.
// The code 2^(LAYOUT_BITS - 1) stands for 0. A bit is the code 0 or 2, so none stands for 0: rows past the end have bits of 0.
#pragma once
#include <stddef.h>

enum {
  kPanel = 16,  // rows
  kBlock = 32,  // columns
  kStep = 64,   // bytes
  kSteps = LAYOUT_BITS,
  kZero = 1 << (LAYOUT_BITS - 1),
  kBlockCodes = kStep * kSteps,  // bytes of a panel's block
  kBlockScales = 2 * kPanel,
  kXBytes = 34,   // of a block of activations
  kBatch = 64,    // tokens that are prepared at once: their panel's weights stay in a cache
  kScratch = 72,  // bytes for each of them and each block
};

static inline size_t panel_bytes(size_t blocks) { return (blocks * (kBlockCodes + kBlockScales) + 63) / 64 * 64; }
