// The tile of floats, for any ISA of intrinsics: some tokens times some vectors of rows, over a block of columns. An ISA's file
// defines a struct with
//   Vec, kLanes           a vector of floats: rows in its lanes
//   kTokens               of the largest tile
//   vectors(tokens)       vectors of rows that a tile of so many tokens has
//   kStep(tokens)         columns of a round
//   kAhead                bytes that weights are prefetched ahead where there are several tokens; 0: they are not
//   weights               of a column, from floats or from fp16
//   zero, set1, fmadd, and load and store, of all lanes or of the first n
// and calls run_tiles.
#pragma once
#include <immintrin.h>
#include <string.h>

#include "kernels/matmul_float/kernel.h"
#include "kernels/matmul_float/layout.h"

namespace {

struct Tile {
  const void* w;      // these rows of the panel, from the block's first column on
  const float* x;     // the tokens, kStride apart
  float* y;           // the first row of the first token
  const float* bias;  // of the first row, or NULL
  size_t ldy;
  size_t cols;  // of this block
  size_t rows;  // that exist from the first on
  bool first;   // block: y holds nothing yet
};

// The vector from row `row` of those that exist.
template <class Isa>
inline typename Isa::Vec load_rows(const float* p, size_t rows, size_t row) {
  return rows >= row + Isa::kLanes ? Isa::load(p + row) : rows > row ? Isa::load(p + row, rows - row) : Isa::zero();
}

template <class Isa>
inline void store_rows(float* p, size_t rows, size_t row, typename Isa::Vec v) {
  if (rows >= row + Isa::kLanes) {
    Isa::store(p + row, v);
  } else if (rows > row) {
    Isa::store(p + row, rows - row, v);
  }
}

// y of T tokens and V vectors of rows of a panel of kRows. Each result is one running sum, whatever the tile: that of a token depends on
// no other.
template <class Isa, class Weight, int T, int V, int kRows>
void tile(const Tile* a) {
  constexpr int kStep = Isa::step(T);  // columns of a round
  constexpr int kLanes = static_cast<int>(Isa::kLanes);
  typename Isa::Vec sum[T][V];
#pragma GCC unroll 12
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      sum[t][v] = Isa::zero();
    }
  }
  const float* from = a->first ? a->bias : a->y;
  if (from != NULL) {
#pragma GCC unroll 12
    for (int t = 0; t < T; ++t) {
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) {
        sum[t][v] = load_rows<Isa>(from, a->rows, static_cast<size_t>(v * kLanes));
      }
      from += a->first ? 0 : a->ldy;
    }
  }
  const Weight* w = static_cast<const Weight*>(a->w);
  const float* x = a->x;
  const auto column = [&](int c) __attribute__((always_inline)) {
    if (T > 1 && Isa::kAhead != 0) {
#pragma GCC unroll 2
      for (int line = 0; line < V * kLanes * static_cast<int>(sizeof(Weight)); line += 64) {
        _mm_prefetch(reinterpret_cast<const char*>(w + c * kRows) + line + Isa::kAhead, _MM_HINT_T0);
      }
    }
    if constexpr (T < V) {  // the tokens stay in registers, the weights come one by one
      typename Isa::Vec xs[T];
#pragma GCC unroll 12
      for (int t = 0; t < T; ++t) {
        xs[t] = Isa::set1(x[t * static_cast<int>(kStride) + c]);
      }
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) {
        const typename Isa::Vec weights = Isa::weights(w + c * kRows + v * kLanes);
#pragma GCC unroll 12
        for (int t = 0; t < T; ++t) {
          sum[t][v] = Isa::fmadd(weights, xs[t], sum[t][v]);
        }
      }
    } else {
      typename Isa::Vec weights[V];
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) {
        weights[v] = Isa::weights(w + c * kRows + v * kLanes);
      }
#pragma GCC unroll 12
      for (int t = 0; t < T; ++t) {
        const typename Isa::Vec xt = Isa::set1(x[t * static_cast<int>(kStride) + c]);
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) {
          sum[t][v] = Isa::fmadd(weights[v], xt, sum[t][v]);
        }
      }
    }
  };
  // First the columns that fill no round.
  for (size_t left = a->cols % kStep; left > 0; --left, w += kRows, ++x) {
    column(0);
  }
  for (size_t left = a->cols / kStep; left > 0; --left, w += kStep * kRows, x += kStep) {
#pragma GCC unroll 8
    for (int c = 0; c < kStep; ++c) {
      column(c);
    }
  }
  float* y = a->y;
#pragma GCC unroll 12
  for (int t = 0; t < T; ++t, y += a->ldy) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      store_rows<Isa>(y, a->rows, static_cast<size_t>(v * kLanes), sum[t][v]);
    }
  }
}

// T tokens and all rows of a panel.
template <class Isa, class Weight, int T, int kRows>
void tiles_of_panel(Tile t) {
  constexpr int kAll = kRows / static_cast<int>(Isa::kLanes);
  constexpr int kVectors = Isa::vectors(T) < kAll ? Isa::vectors(T) : kAll;
  constexpr size_t kHere = kVectors * Isa::kLanes;
  const size_t rows = t.rows < kRows ? t.rows : size_t{kRows};
  for (size_t row = 0; row < rows; row += kHere) {
    tile<Isa, Weight, T, kVectors, kRows>(&t);
    t.w = static_cast<const Weight*>(t.w) + kHere;
    t.y += kHere;
    t.bias = t.bias != NULL ? t.bias + kHere : NULL;
    t.rows -= kHere < t.rows ? kHere : t.rows;
  }
}

template <class Isa, class Weight, int T>
inline void tiles_of_tokens(size_t tokens, size_t width, const Tile& t) {
  if (tokens == T) {
    if (width == kPanel) {
      tiles_of_panel<Isa, Weight, T, kPanel>(t);
    } else {
      tiles_of_panel<Isa, Weight, T, kNarrow>(t);
    }
  } else if constexpr (T > 1) {
    tiles_of_tokens<Isa, Weight, T - 1>(tokens, width, t);
  }
}

// A panel times `tokens` copied tokens, in tiles of about the same size.
template <class Isa, class Weight>
void panel_times_tokens(Tile t, size_t tokens, size_t width) {
  for (size_t left = (tokens + Isa::kTokens - 1) / Isa::kTokens; left > 0; --left) {
    const size_t some = (tokens + left - 1) / left;
    tiles_of_tokens<Isa, Weight, Isa::kTokens>(some, width, t);
    t.x += some * kStride;
    t.y += some * t.ldy;
    tokens -= some;
  }
}

template <class Isa>
void run_tiles(const struct matmul_args* a) {
  Tile t;
  t.ldy = a->ldy;
  if (a->tokens == 1) {  // nothing is used twice: one pass over the weights
    t.x = static_cast<const float*>(a->x);
    t.cols = a->cols;
    t.first = true;
    for (size_t row = a->row_begin; row < a->row_end; row += kPanel) {
      t.w = static_cast<const weight*>(a->packed) + row * a->cols;
      t.y = a->y + row;
      t.bias = a->bias != NULL ? a->bias + row : NULL;
      t.rows = a->row_end - row;
      tiles_of_tokens<Isa, weight, 1>(1, panel_rows(a->rows, row), t);
    }
    return;
  }
  for (size_t token = 0; token < a->tokens; token += kBatch) {
    const size_t batch = a->tokens - token < kBatch ? a->tokens - token : size_t{kBatch};
    float* const copies = static_cast<float*>(a->scratch);
    float* const floats = copies + batch * kStride;
    size_t column = 0;
    do {
      t.x = copies;
      t.cols = a->cols - column < kBlock ? a->cols - column : size_t{kBlock};
      t.first = column == 0;
      for (size_t i = 0; i < batch; ++i) {
        const float* from = static_cast<const float*>(a->x) + (token + i) * a->cols + column;
        memcpy(copies + i * kStride, from, t.cols * sizeof(float));
      }
      for (size_t row = a->row_begin; row < a->row_end; row += kPanel) {
        const size_t width = panel_rows(a->rows, row);
        const weight* w = static_cast<const weight*>(a->packed) + row * a->cols + column * width;
        t.w = w;
        t.y = a->y + token * a->ldy + row;
        t.bias = a->bias != NULL ? a->bias + row : NULL;
        t.rows = a->row_end - row;
        if (LAYOUT_BITS != 32 && batch > Isa::kTokens) {  // converted once for all tiles
          for (size_t i = 0; i < t.cols * width; i += Isa::kLanes) {
            Isa::store(floats + i, Isa::weights(w + i));
          }
          t.w = floats;
          panel_times_tokens<Isa, float>(t, batch, width);
        } else {
          panel_times_tokens<Isa, weight>(t, batch, width);
        }
      }
      column += t.cols;
    } while (column < a->cols);
  }
}

}  // namespace
