#include <string.h>

#include "kernels/formats/format.h"
#include "kernels/matmul_float/kernel.h"
#include "kernels/matmul_float/layout.h"

extern "C" matmul_fn matmul_float_scalar;

// Tokens of a tile, so that its running sums fit the registers of the level that this is compiled for (auto_v2 ..
// auto_v4 keep rows in vector lanes): 24 of 32, 12 of 16, 8 of 16.
#if defined(__AVX512F__)
static constexpr size_t kTokens = 12;
#elif defined(__AVX2__)
static constexpr size_t kTokens = 3;
#else
static constexpr size_t kTokens = 1;
#endif

struct Tile {
  const float* w;     // this panel, from the block's first column on
  const float* x;     // the tokens, kStride apart
  float* y;           // this panel's first row of the first token
  const float* bias;  // of this panel, or NULL
  size_t ldy;
  size_t cols;  // of this block
  size_t rows;  // of this panel that exist
  bool first;   // block: y holds nothing yet
};

// One column of the panel times an activation. GCC 12 unrolls an inner loop of up to 16 rounds before it looks for vectors, and then finds
// none in it (--param max-completely-peel-times): a narrow panel took as long as eighty wide ones.
template <size_t kRows>
static inline void add_product(float* sums, const float* w, float x) {
  if constexpr (kRows == kNarrow) {
#pragma GCC unroll 1
    for (size_t r = 0; r < kRows; ++r) {
      sums[r] += w[r] * x;
    }
  } else {
    for (size_t r = 0; r < kRows; ++r) {
      sums[r] += w[r] * x;
    }
  }
}

// y of T tokens and one panel. Each result is one running sum, whatever the tile and the block: that of a token depends on no other.
template <size_t T, size_t kRows>
static void tile(const Tile& a) {
  float sums[T][kRows];
  for (size_t t = 0; t < T; ++t) {
    const float* before = a.first ? a.bias : a.y + t * a.ldy;
    for (size_t r = 0; r < kRows; ++r) {
      sums[t][r] = before != NULL && r < a.rows ? before[r] : 0;
    }
  }
  const float* w = a.w;
  for (size_t c = 0; c < a.cols; ++c, w += kRows) {
    for (size_t t = 0; t < T; ++t) {
      add_product<kRows>(sums[t], w, a.x[t * kStride + c]);
    }
  }
  for (size_t t = 0; t < T; ++t) {
    for (size_t r = 0; r < a.rows; ++r) {
      a.y[t * a.ldy + r] = sums[t][r];
    }
  }
}

// tile<tokens>, tokens = 1 .. T.
template <size_t T>
static void tile_of(size_t tokens, size_t width, const Tile& a) {
  if (tokens == T) {
    width == kPanel ? tile<T, kPanel>(a) : tile<T, kNarrow>(a);
  } else if constexpr (T > 1) {
    tile_of<T - 1>(tokens, width, a);
  }
}

// The weights of a panel as floats: where they lie, or in `floats`.
static const float* as_floats(const weight* w, size_t n, float* floats) {
#if LAYOUT_BITS == 32
  (void)n;
  (void)floats;
  return w;
#else
  for (size_t i = 0; i < n; ++i) {
#ifdef LAYOUT_bf16
    floats[i] = float_of_bits(static_cast<uint32_t>(w[i]) << 16);
#else
    floats[i] = half_to_float(w[i]);
#endif
  }
  return floats;
#endif
}

// One block of columns of `tokens` tokens, which lie at x, kStride apart.
static void block(const struct matmul_args* a, const float* x, size_t token, size_t tokens, size_t column, size_t cols,
                  float* floats) {
  for (size_t row = a->row_begin; row < a->row_end; row += kPanel) {
    const size_t width = panel_rows(a->rows, row);
    const size_t rows = a->row_end - row < width ? a->row_end - row : width;
    const weight* packed = static_cast<const weight*>(a->packed) + row * a->cols + column * width;
    const float* w = as_floats(packed, cols * width, floats);
    const float* bias = a->bias != NULL ? a->bias + row : NULL;
    size_t first = 0;
    for (size_t left = (tokens + kTokens - 1) / kTokens; left > 0; --left) {
      const size_t some = (tokens - first + left - 1) / left;  // tiles of about the same size
      float* y = a->y + (token + first) * a->ldy + row;
      tile_of<kTokens>(some, width, {w, x + first * kStride, y, bias, a->ldy, cols, rows, column == 0});
      first += some;
    }
  }
}

extern "C" void matmul_float_scalar(const struct matmul_args* a) {
  const float* x = static_cast<const float*>(a->x);
  float* const scratch = static_cast<float*>(a->scratch);
  if (a->tokens == 1) {  // nothing is used twice: one pass over the weights
    const size_t step = LAYOUT_BITS == 32 || a->cols == 0 ? a->cols : size_t{kFewColumns};
    size_t column = 0;
    do {
      const size_t cols = a->cols - column < step ? a->cols - column : step;
      block(a, x + column, 0, 1, column, cols, scratch);
      column += cols;
    } while (column < a->cols);
    return;
  }
  for (size_t token = 0; token < a->tokens; token += kBatch) {
    const size_t batch = a->tokens - token < kBatch ? a->tokens - token : size_t{kBatch};
    size_t column = 0;
    do {
      const size_t cols = a->cols - column < kBlock ? a->cols - column : size_t{kBlock};
      for (size_t t = 0; t < batch; ++t) {
        memcpy(scratch + t * kStride, x + (token + t) * a->cols + column, cols * sizeof(float));
      }
      block(a, scratch, token, batch, column, cols, scratch + batch * kStride);
      column += cols;
    } while (column < a->cols);
  }
}
