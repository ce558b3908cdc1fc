#include <immintrin.h>
#include <string.h>

#include "kernels/matmul_f32/kernel.h"

extern "C" matmul_f32_fn matmul_f32_avx512;
extern "C" matmul_f32_pack_fn matmul_f32_pack_avx512;

// Packed: panels of 32 rows, column by column: 32 weights (two vectors, rows in lanes) for column 0, then for column 1,
// ... The last panel has one vector if 16 rows or fewer are left; the rows that it lacks are zeros, and nothing that they
// give is stored.
static constexpr size_t kLanes = 16;
static constexpr size_t kPanel = 2 * kLanes;

// Tokens of a tile: 2 x 12 accumulators, 2 vectors of weights and the broadcast tokens fill the 32 registers; 24
// fused multiply-adds a column wait for 14 loads.
static constexpr size_t kTile = 12;

// Columns of a block: the weights of a panel (32 KiB) stream from L2, the tile's tokens (12 KiB) stay in L1.
static constexpr size_t kBlock = 256;
// A tile's tokens are copied, so that their distance is a constant: no address arithmetic, and no cache set that all of
// them share, as they would where ldx is a multiple of 4 KiB. 16 more floats than kBlock shift each by a line.
static constexpr size_t kStride = kBlock + 16;
// Panels that are done with one copy: their weights (256 KiB) stay in L2 for the next tile.
static constexpr size_t kGroup = 8;

extern "C" size_t matmul_f32_pack_avx512(void* packed, const float* w, size_t rows, size_t cols) {
  const size_t packed_rows = (rows + kLanes - 1) / kLanes * kLanes;
  if (packed != NULL) {
    float* to = static_cast<float*>(packed);
    for (size_t row = 0; row < packed_rows; row += kPanel) {
      const size_t width = packed_rows - row < kPanel ? kLanes : kPanel;
      const size_t here = rows - row < width ? rows - row : width;
      for (size_t c = 0; c < cols; ++c, to += width) {
        for (size_t r = 0; r < here; ++r) {
          to[r] = w[(row + r) * cols + c];
        }
        for (size_t r = here; r < width; ++r) {
          to[r] = 0;
        }
      }
    }
  }
  return packed_rows * cols * sizeof(float);
}

// The weights are prefetched from L2 or beyond, this many bytes ahead: 2 to 3 % measured on Zen 5.
static constexpr size_t kAhead = 2048;

struct Tile {
  const float* w;     // this panel, from the block's first column on
  const float* x;     // the tokens, kStride apart
  float* y;           // this panel's first row of the first token
  const float* bias;  // of this panel, or NULL
  size_t ldy;
  size_t cols;     // of this block
  __mmask16 last;  // the rows of its last vector that exist
  bool first;      // block: y holds nothing yet
};

// y of T tokens and one panel of V vectors. Few tokens have too few accumulators to hide the latency of an FMA (4
// cycles, two a cycle), so consecutive columns then go to different ones.
template <int T, int V>
static void tile(const Tile* a) {
  constexpr int kSplit = T == 1 ? 4 : T <= 3 ? 2 : 1;
  // Columns of a round. With 8 for one token a Zen 5 takes 1.5 to 1.8 times as long where cols is 7 more than a multiple of 8
  // (with 16, at every cols): measured; presumably its prefetcher and the strides that each load then has.
  constexpr int kStep = T <= 6 ? 4 : 2;
  constexpr int kWidth = V * static_cast<int>(kLanes);
  __m512 sum[kSplit][T][V];
  const auto mask = [a](int v) { return v + 1 < V ? __mmask16{0xffff} : a->last; };
  const float* from = a->first ? a->bias : a->y;
  const size_t step = a->first ? 0 : a->ldy;
#pragma GCC unroll 12
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 4
    for (int s = 0; s < kSplit; ++s) {
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) {
        sum[s][t][v] = _mm512_setzero_ps();
      }
    }
  }
  if (from != NULL) {
#pragma GCC unroll 12
    for (int t = 0; t < T; ++t, from += step) {
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) {
        sum[0][t][v] = _mm512_maskz_loadu_ps(mask(v), from + v * 16);
      }
    }
  }
  const float* w = a->w;
  const float* x = a->x;
  // First the columns that fill no round, since the rounds do not wait for their one sum.
  for (size_t left = a->cols % kStep; left > 0; --left, w += kWidth, ++x) {
    __m512 weights[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) {
      _mm_prefetch(reinterpret_cast<const char*>(w + v * 16) + kAhead, _MM_HINT_T0);
      weights[v] = _mm512_load_ps(w + v * 16);
    }
#pragma GCC unroll 12
    for (int t = 0; t < T; ++t) {
      const __m512 xt = _mm512_set1_ps(x[static_cast<size_t>(t) * kStride]);
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) {
        sum[0][t][v] = _mm512_fmadd_ps(weights[v], xt, sum[0][t][v]);
      }
    }
  }
  for (size_t left = a->cols / kStep; left > 0; --left, w += kStep * kWidth, x += kStep) {
#pragma GCC unroll 4
    for (int s = 0; s < kStep; ++s) {
      __m512 weights[V];
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) {
        _mm_prefetch(reinterpret_cast<const char*>(w + s * kWidth + v * 16) + kAhead, _MM_HINT_T0);
        weights[v] = _mm512_load_ps(w + s * kWidth + v * 16);
      }
#pragma GCC unroll 12
      for (int t = 0; t < T; ++t) {
        const __m512 xt = _mm512_set1_ps(x[static_cast<size_t>(t) * kStride + s]);
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) {
          sum[s % kSplit][t][v] = _mm512_fmadd_ps(weights[v], xt, sum[s % kSplit][t][v]);
        }
      }
    }
  }
  float* y = a->y;
  const size_t ldy = a->ldy;
#pragma GCC unroll 12
  for (int t = 0; t < T; ++t, y += ldy) {
#pragma GCC unroll 4
    for (int s = kSplit / 2; s > 0; s /= 2) {
#pragma GCC unroll 4
      for (int i = 0; i < s; ++i) {
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) {
          sum[i][t][v] = _mm512_add_ps(sum[i][t][v], sum[i + s][t][v]);
        }
      }
    }
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) {
      _mm512_mask_storeu_ps(y + v * 16, mask(v), sum[0][t][v]);
    }
  }
}

static void (*const kTiles[2][kTile])(const Tile*) = {
    {tile<1, 1>, tile<2, 1>, tile<3, 1>, tile<4, 1>, tile<5, 1>, tile<6, 1>, tile<7, 1>, tile<8, 1>, tile<9, 1>,
     tile<10, 1>, tile<11, 1>, tile<12, 1>},
    {tile<1, 2>, tile<2, 2>, tile<3, 2>, tile<4, 2>, tile<5, 2>, tile<6, 2>, tile<7, 2>, tile<8, 2>, tile<9, 2>,
     tile<10, 2>, tile<11, 2>, tile<12, 2>}};

// One tile of `tokens` for the panels from row `begin` to `end`.
static void panels(const struct matmul_f32_args* a, const float* x, size_t token, size_t tokens, size_t begin,
                   size_t end, size_t column, size_t cols) {
  Tile t;
  t.x = x;
  t.ldy = a->ldy;
  t.cols = cols;
  t.first = column == 0;
  for (size_t row = begin; row < end; row += kPanel) {
    const size_t here = end - row < kPanel ? end - row : kPanel;
    t.w = static_cast<const float*>(a->packed) + row * a->cols + column * (here > kLanes ? kPanel : kLanes);
    t.y = a->y + token * a->ldy + row;
    t.bias = a->bias != NULL ? a->bias + row : NULL;
    t.last = static_cast<__mmask16>((2u << (here - 1) % kLanes) - 1);
    kTiles[here > kLanes][tokens - 1](&t);
  }
}

extern "C" void matmul_f32_avx512(const struct matmul_f32_args* a) {
  if (a->tokens == 1) {  // nothing is used twice: one pass over the weights
    panels(a, a->x, 0, 1, a->row_begin, a->row_end, 0, a->cols);
    return;
  }
  alignas(64) float x[kTile * kStride];
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
