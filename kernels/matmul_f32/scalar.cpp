#include <string.h>

#include "kernels/matmul_f32/kernel.h"

extern "C" matmul_f32_fn matmul_f32_scalar;
extern "C" matmul_f32_pack_fn matmul_f32_pack_scalar;

// Rows of a panel. Not fewer: GCC unrolls an inner loop of up to 16 rounds before it looks for vectors, and then finds
// none in it (--param max-completely-peel-times).
static constexpr size_t kPanel = 32;

// Tokens of a tile, so that its running sums fit the registers of the level that this is compiled for (auto_v2 ..
// auto_v4 keep rows in vector lanes): 24 of 32, 12 of 16, 8 of 16.
#if defined(__AVX512F__)
static constexpr size_t kTile = 12;
#elif defined(__AVX2__)
static constexpr size_t kTile = 3;
#else
static constexpr size_t kTile = 1;
#endif

// Columns of a block: the weights of a panel (32 KiB) and the tile's tokens stay in L1 or L2.
static constexpr size_t kBlock = 256;
// A tile's tokens are copied, so that their distance is a constant; 16 floats more shift each by a cache line.
static constexpr size_t kStride = kBlock + 16;
// Panels that are done with one copy: their weights (256 KiB) stay in L2 for the next tile.
static constexpr size_t kGroup = 8;

// Packed: panels, column by column. The rows that the last panel lacks are zeros; nothing that they give is stored.
extern "C" size_t matmul_f32_pack_scalar(void* packed, const float* w, size_t rows, size_t cols) {
  const size_t panels = (rows + kPanel - 1) / kPanel;
  if (packed != NULL) {
    float* to = static_cast<float*>(packed);
    for (size_t row = 0; row < rows; row += kPanel) {
      const size_t here = rows - row < kPanel ? rows - row : kPanel;
      for (size_t c = 0; c < cols; ++c, to += kPanel) {
        for (size_t r = 0; r < here; ++r) {
          to[r] = w[(row + r) * cols + c];
        }
        for (size_t r = here; r < kPanel; ++r) {
          to[r] = 0;
        }
      }
    }
  }
  return panels * kPanel * cols * sizeof(float);
}

struct Tile {
  const float* w;     // this panel, from the block's first column on
  const float* x;     // the tokens, kStride apart
  float* y;           // this panel's first row of the first token
  const float* bias;  // of this panel, or NULL
  size_t ldy;
  size_t cols;  // of this block
  size_t rows;  // of this panel that exist: 1 .. kPanel
  bool first;   // block: y holds nothing yet
};

// y of T tokens and one panel. One token alone has too few sums to hide the latency of an addition, so even and odd
// columns then go to different ones.
template <size_t T>
static void tile(const Tile& a) {
  constexpr size_t kSplit = T <= 2 && kTile > 1 ? 2 : 1;
  float sums[kSplit][T][kPanel] = {};
  const float* w = a.w;
  const float* x = a.x;
  size_t c = 0;
  for (; c + kSplit <= a.cols; c += kSplit) {
    for (size_t s = 0; s < kSplit; ++s) {
      for (size_t t = 0; t < T; ++t) {
        for (size_t r = 0; r < kPanel; ++r) {
          sums[s][t][r] += w[(c + s) * kPanel + r] * x[t * kStride + c + s];
        }
      }
    }
  }
  if (kSplit > 1 && c < a.cols) {
    for (size_t t = 0; t < T; ++t) {
      for (size_t r = 0; r < kPanel; ++r) {
        sums[0][t][r] += w[c * kPanel + r] * x[t * kStride + c];
      }
    }
  }
  for (size_t t = 0; t < T; ++t) {
    for (size_t s = 1; s < kSplit; ++s) {
      for (size_t r = 0; r < kPanel; ++r) {
        sums[0][t][r] += sums[s][t][r];
      }
    }
    float* y = a.y + t * a.ldy;
    const float* before = a.first ? a.bias : y;
    for (size_t r = 0; r < a.rows; ++r) {
      y[r] = before != NULL ? before[r] + sums[0][t][r] : sums[0][t][r];
    }
  }
}

// tile<tokens>, tokens = 1 .. T.
template <size_t T>
static void tile_of(size_t tokens, const Tile& a) {
  if (tokens == T) {
    tile<T>(a);
  } else if constexpr (T > 1) {
    tile_of<T - 1>(tokens, a);
  }
}

// One tile of `tokens` for the panels from row `begin` to `end`.
static void panels(const struct matmul_f32_args* a, const float* x, size_t token, size_t tokens, size_t begin,
                   size_t end, size_t column, size_t cols) {
  for (size_t row = begin; row < end; row += kPanel) {
    tile_of<kTile>(tokens, {static_cast<const float*>(a->packed) + row * a->cols + column * kPanel, x,
                            a->y + token * a->ldy + row, a->bias != NULL ? a->bias + row : NULL, a->ldy, cols,
                            end - row < kPanel ? end - row : kPanel, column == 0});
  }
}

extern "C" void matmul_f32_scalar(const struct matmul_f32_args* a) {
  if (a->tokens == 1) {  // nothing is used twice: one pass over the weights
    panels(a, a->x, 0, 1, a->row_begin, a->row_end, 0, a->cols);
    return;
  }
  float x[kTile * kStride];
  const size_t tiles = (a->tokens + kTile - 1) / kTile;
  size_t column = 0;
  do {
    const size_t cols = a->cols - column < kBlock ? a->cols - column : kBlock;
    for (size_t row = a->row_begin; row < a->row_end; row += kGroup * kPanel) {
      const size_t end = a->row_end - row < kGroup * kPanel ? a->row_end : row + kGroup * kPanel;
      size_t token = 0;
      for (size_t left = tiles; left > 0; --left) {
        const size_t tokens = (a->tokens - token + left - 1) / left;  // tiles of about the same size
        for (size_t t = 0; t < tokens; ++t) {
          memcpy(x + t * kStride, a->x + (token + t) * a->ldx + column, cols * sizeof(float));
        }
        panels(a, x, token, tokens, row, end, column, cols);
        token += tokens;
      }
    }
    column += cols;
  } while (column < a->cols);
}
