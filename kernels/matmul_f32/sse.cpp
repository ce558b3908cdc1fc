#include <immintrin.h>

#include "kernels/matmul_f32/kernel.h"

extern "C" matmul_f32_fn matmul_f32_sse;
extern "C" matmul_f32_pack_fn matmul_f32_pack_sse;

// Packed: panels of 8 rows, column by column: 8 weights (two vectors, rows in lanes) for column 0, then for column 1,
// ... The rows that the last panel lacks are zeros; nothing that they give is stored.
static constexpr size_t kPanel = 8;

// Tokens of a tile: 2 x 4 accumulators, and 8 registers for weights, broadcast tokens and products.
static constexpr size_t kTile = 4;

extern "C" size_t matmul_f32_pack_sse(void* packed, const float* w, size_t rows, size_t cols) {
  const size_t panels = (rows + kPanel - 1) / kPanel;
  if (packed != NULL) {
    float* to = static_cast<float*>(packed);
    for (size_t row = 0; row < rows; row += kPanel) {
      for (size_t c = 0; c < cols; ++c, to += kPanel) {
        for (size_t r = 0; r < kPanel; ++r) {
          to[r] = row + r < rows ? w[(row + r) * cols + c] : 0;
        }
      }
    }
  }
  return panels * kPanel * cols * sizeof(float);
}

// Up to four floats of a panel's row `r` on; `rows` of the panel exist.
static inline __m128 load(const float* from, size_t rows) {
  if (rows >= 4) {
    return _mm_loadu_ps(from);
  }
  alignas(16) float four[4] = {0, 0, 0, 0};
  for (size_t r = 0; r < rows; ++r) {
    four[r] = from[r];
  }
  return _mm_load_ps(four);
}

static inline void store(float* to, size_t rows, __m128 v) {
  if (rows >= 4) {
    _mm_storeu_ps(to, v);
    return;
  }
  alignas(16) float four[4];
  _mm_store_ps(four, v);
  for (size_t r = 0; r < rows; ++r) {
    to[r] = four[r];
  }
}

// y of T tokens and one panel of which `rows` rows exist. Few tokens have too few accumulators to hide the latency of
// an addition, so consecutive columns then go to different ones.
template <int T>
static void tile(const float* w, const float* x, size_t ldx, size_t cols, float* y, size_t ldy, const float* bias,
                 size_t rows) {
  constexpr int kSplit = T == 1 ? 4 : T == 2 ? 2 : 1;
  __m128 sum[kSplit][T][2];
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 4
    for (int s = 0; s < kSplit; ++s) {
      sum[s][t][0] = _mm_setzero_ps();
      sum[s][t][1] = _mm_setzero_ps();
    }
  }
  const size_t ldx3 = 3 * ldx;
  size_t c = 0;
  for (; c + kSplit <= cols; c += kSplit, w += kSplit * kPanel, x += kSplit) {
#pragma GCC unroll 4
    for (int s = 0; s < kSplit; ++s) {
      const __m128 w0 = _mm_load_ps(w + s * kPanel);
      const __m128 w1 = _mm_load_ps(w + s * kPanel + 4);
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) {
        const __m128 xt = _mm_set1_ps(x[(t == 3 ? ldx3 : static_cast<size_t>(t) * ldx) + s]);
        sum[s][t][0] = _mm_add_ps(sum[s][t][0], _mm_mul_ps(w0, xt));
        sum[s][t][1] = _mm_add_ps(sum[s][t][1], _mm_mul_ps(w1, xt));
      }
    }
  }
  for (; c < cols; ++c, w += kPanel, ++x) {
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
      const __m128 xt = _mm_set1_ps(x[static_cast<size_t>(t) * ldx]);
      sum[0][t][0] = _mm_add_ps(sum[0][t][0], _mm_mul_ps(_mm_load_ps(w), xt));
      sum[0][t][1] = _mm_add_ps(sum[0][t][1], _mm_mul_ps(_mm_load_ps(w + 4), xt));
    }
  }
  const size_t low = rows < 4 ? rows : 4;
  const size_t high = rows - low;
  const __m128 b0 = bias != NULL ? load(bias, low) : _mm_setzero_ps();
  const __m128 b1 = bias != NULL ? load(bias + low, high) : _mm_setzero_ps();
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 4
    for (int s = kSplit / 2; s > 0; s /= 2) {
#pragma GCC unroll 4
      for (int i = 0; i < s; ++i) {
        sum[i][t][0] = _mm_add_ps(sum[i][t][0], sum[i + s][t][0]);
        sum[i][t][1] = _mm_add_ps(sum[i][t][1], sum[i + s][t][1]);
      }
    }
    store(y + static_cast<size_t>(t) * ldy, low, _mm_add_ps(sum[0][t][0], b0));
    store(y + static_cast<size_t>(t) * ldy + low, high, _mm_add_ps(sum[0][t][1], b1));
  }
}

static void (*const kTiles[kTile])(const float*, const float*, size_t, size_t, float*, size_t, const float*, size_t) = {
    tile<1>, tile<2>, tile<3>, tile<4>};

extern "C" void matmul_f32_sse(const struct matmul_f32_args* a) {
  for (size_t row = a->row_begin; row < a->row_end; row += kPanel) {  // the panel stays in cache for all tokens
    const size_t rows = a->row_end - row < kPanel ? a->row_end - row : kPanel;
    const float* w = static_cast<const float*>(a->packed) + row * a->cols;
    const float* bias = a->bias != NULL ? a->bias + row : NULL;
    size_t token = 0;
    for (size_t left = (a->tokens + kTile - 1) / kTile; left > 0; --left) {
      const size_t tokens = (a->tokens - token + left - 1) / left;  // tiles of about the same size
      kTiles[tokens - 1](w, a->x + token * a->ldx, a->ldx, a->cols, a->y + token * a->ldy + row, a->ldy, bias, rows);
      token += tokens;
    }
  }
}
