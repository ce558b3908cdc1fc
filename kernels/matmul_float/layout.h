// The layout of packed weights that all tiles share, for floats of LAYOUT_BITS: 32, or 16 for fp16 and
// bf16 (LAYOUT_bf16). The build compiles each file
// of the family once for each layout.
//
// Packed: panels of 32 rows, column by column: the 32 weights of column 0, then those of column 1, ... Where 16 rows or fewer are
// left, the last panel has 16. The rows that it lacks are zeros, and nothing that they give is stored.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum {
  kPanel = 32,    // rows
  kNarrow = 16,   // rows of a narrow last panel
  kBlock = 1024,  // columns whose sums stay in registers: a panel's weights (128 KiB) and the tile's tokens stay in L2
  kStride = 1024 + 16,  // floats between the copies of two tokens, so that no cache set holds all of a column
  kBatch = 96,          // tokens that are copied at once
  kFewColumns = 64,     // columns that plain C++ converts at once for one token
};

#if LAYOUT_BITS == 32
typedef float weight;
#else
typedef uint16_t weight;
#endif

static inline size_t packed_rows(size_t rows) { return (rows + kNarrow - 1) / kNarrow * kNarrow; }

// Rows in the panel that begins at `row`.
static inline size_t panel_rows(size_t rows, size_t row) {
  return packed_rows(rows) - row < kPanel ? (size_t)kNarrow : (size_t)kPanel;
}
