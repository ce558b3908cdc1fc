#include <immintrin.h>
#include <stdint.h>

#include "kernels/attention_f32/kernel.h"
#include "kernels/shared/sse.h"

extern "C" attention_f32_fn attention_f32_sse;

static const size_t kKeys = 16;  // keys summed before they are added to out: running sums would grow the error with m

// q . k for 4 keys at once, so that the sums across lanes are shared. Every 64 elements the sums of
// 16 products are added to totals: that keeps the error of 16 partial sums with one register a key.
static inline __m128 dots(const float* q, const float* const (&k)[4], size_t d) {
  __m128 total[4] = {_mm_setzero_ps(), _mm_setzero_ps(), _mm_setzero_ps(), _mm_setzero_ps()};
  for (size_t begin = 0; begin < d; begin += 64) {
    const size_t end = d - begin < 64 ? d : begin + 64;
    __m128 s[4] = {_mm_setzero_ps(), _mm_setzero_ps(), _mm_setzero_ps(), _mm_setzero_ps()};
    size_t e = begin;
    for (; e + 4 <= end; e += 4) {
      const __m128 x = _mm_loadu_ps(q + e);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        s[j] = _mm_add_ps(s[j], _mm_mul_ps(x, _mm_loadu_ps(k[j] + e)));
      }
    }
    for (; e < end; ++e) {
      const __m128 x = _mm_load_ss(q + e);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        s[j] = _mm_add_ss(s[j], _mm_mul_ss(x, _mm_load_ss(k[j] + e)));
      }
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      total[j] = _mm_add_ps(total[j], s[j]);
    }
  }
  _MM_TRANSPOSE4_PS(total[0], total[1], total[2], total[3]);
  return _mm_add_ps(_mm_add_ps(total[0], total[1]), _mm_add_ps(total[2], total[3]));
}

static inline void scores(float* s, const float* q, const float* k, size_t ldk, size_t m, size_t d, float scale) {
  for (size_t j = 0; j < m; j += 4) {
    const float* row = k + j * ldk;
    if (m - j >= 4) {
      const float* const rows[4] = {row, row + ldk, row + 2 * ldk, row + 3 * ldk};
      _mm_storeu_ps(s + j, _mm_mul_ps(dots(q, rows, d), _mm_set1_ps(scale)));
    } else {
      // The last key stands in for those that are not there.
      const float* const rows[4] = {row, m - j > 1 ? row + ldk : row, m - j > 2 ? row + 2 * ldk : row, row};
      float few[4];
      _mm_storeu_ps(few, _mm_mul_ps(dots(q, rows, d), _mm_set1_ps(scale)));
      for (size_t t = 0; j + t < m; ++t) {
        s[j + t] = few[t];
      }
    }
  }
}

// In place: scores to weights.
static inline void softmax(float* s, size_t n) {
  const __m128 masked = _mm_set1_ps(-__builtin_inff());
  __m128 m[4] = {masked, masked, masked, masked};
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) {
      m[j] = _mm_max_ps(_mm_loadu_ps(s + i + 4 * j),
                        m[j]);  // passes over NaN, which the sum will meet
    }
  }
  for (; i < n; ++i) {
    m[0] = _mm_max_ps(_mm_set1_ps(s[i]), m[0]);
  }
  __m128 max = _mm_max_ps(_mm_max_ps(m[0], m[1]), _mm_max_ps(m[2], m[3]));
  max = _mm_max_ps(max, _mm_movehl_ps(max, max));
  max = _mm_max_ss(max, _mm_movehdup_ps(max));
  const bool all_masked = _mm_comieq_ss(max, masked);
  max = all_masked ? _mm_setzero_ps() : _mm_shuffle_ps(max, max, 0);
  __m128 sums[4] = {_mm_setzero_ps(), _mm_setzero_ps(), _mm_setzero_ps(), _mm_setzero_ps()};
  for (i = 0; i + 16 <= n; i += 16) {
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) {
      const __m128 e = exp64(_mm_sub_ps(_mm_loadu_ps(s + i + 4 * j), max));
      _mm_storeu_ps(s + i + 4 * j, e);
      sums[j] = _mm_add_ps(sums[j], e);
    }
  }
  for (; i + 4 <= n; i += 4) {
    const __m128 e = exp64(_mm_sub_ps(_mm_loadu_ps(s + i), max));
    _mm_storeu_ps(s + i, e);
    sums[0] = _mm_add_ps(sums[0], e);
  }
  for (; i < n; ++i) {
    const __m128 e = exp64(_mm_sub_ps(_mm_load_ss(s + i), max));
    _mm_store_ss(s + i, e);
    sums[1] = _mm_add_ss(sums[1], e);
  }
  __m128 sum = _mm_add_ps(_mm_add_ps(sums[0], sums[1]), _mm_add_ps(sums[2], sums[3]));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  sum = _mm_add_ss(sum, _mm_movehdup_ps(sum));
  // 0 * sum is NaN if a score is.
  __m128 reciprocal = all_masked ? _mm_mul_ss(sum, _mm_setzero_ps()) : _mm_div_ss(_mm_set_ss(1.0f), sum);
  reciprocal = _mm_shuffle_ps(reciprocal, reciprocal, 0);
  for (i = 0; i + 4 <= n; i += 4) {
    _mm_storeu_ps(s + i, _mm_mul_ps(_mm_loadu_ps(s + i), reciprocal));
  }
  for (; i < n; ++i) {
    _mm_store_ss(s + i, _mm_mul_ss(_mm_load_ss(s + i), reciprocal));
  }
}

// Columns [0, 4 * kVectors) of out = the sum of w[j] * v[j] over n rows, or added to what out
// holds. Eight sums at once hide the latency of the addition: where there are fewer columns,
// alternate rows go to different sums.
template <size_t kVectors>
static inline void weigh_columns(float* out, const float* w, const float* v, size_t ldv, size_t n, bool add) {
  constexpr size_t kSets = 8 / kVectors;
  __m128 s[kSets][kVectors];
  for (size_t r = 0; r < kSets; ++r) {
    for (size_t t = 0; t < kVectors; ++t) {
      s[r][t] = _mm_setzero_ps();
    }
  }
  size_t j = 0;
  for (; j + kSets <= n; j += kSets) {
#pragma GCC unroll 8
    for (size_t r = 0; r < kSets; ++r) {
      const __m128 weight = _mm_set1_ps(w[j + r]);
#pragma GCC unroll 8
      for (size_t t = 0; t < kVectors; ++t) {
        s[r][t] = _mm_add_ps(s[r][t], _mm_mul_ps(weight, _mm_loadu_ps(v + (j + r) * ldv + 4 * t)));
      }
    }
  }
  for (; j < n; ++j) {
    const __m128 weight = _mm_set1_ps(w[j]);
#pragma GCC unroll 8
    for (size_t t = 0; t < kVectors; ++t) {
      s[0][t] = _mm_add_ps(s[0][t], _mm_mul_ps(weight, _mm_loadu_ps(v + j * ldv + 4 * t)));
    }
  }
#pragma GCC unroll 8
  for (size_t t = 0; t < kVectors; ++t) {
#pragma GCC unroll 8
    for (size_t half = kSets / 2; half > 0; half /= 2) {
#pragma GCC unroll 8
      for (size_t r = 0; r < half; ++r) {
        s[r][t] = _mm_add_ps(s[r][t], s[r + half][t]);
      }
    }
    _mm_storeu_ps(out + 4 * t, add ? _mm_add_ps(_mm_loadu_ps(out + 4 * t), s[0][t]) : s[0][t]);
  }
}

static inline void weigh(float* out, const float* w, const float* v, size_t ldv, size_t n, size_t d, bool add) {
  size_t e = 0;
  for (; e + 32 <= d; e += 32) {
    weigh_columns<8>(out + e, w, v + e, ldv, n, add);
  }
  for (; e + 16 <= d; e += 16) {
    weigh_columns<4>(out + e, w, v + e, ldv, n, add);
  }
  for (; e + 4 <= d; e += 4) {
    weigh_columns<1>(out + e, w, v + e, ldv, n, add);
  }
  for (; e < d; ++e) {
    float sum = 0;
    for (size_t j = 0; j < n; ++j) {
      sum += w[j] * v[j * ldv + e];
    }
    out[e] = add ? out[e] + sum : sum;
  }
}

// ---- a tile of queries: each is a lane, so all share a row of k, and no sum crosses lanes ----

static const size_t kLanes = 4;
static const size_t kMost = 2 * kLanes;  // queries of a tile: with 2 vectors of them, 6 loads go with 8 products
static const size_t kKeysTogether = 4;   // keys whose scores are made together
static const size_t kFew = 3;            // queries that are faster one by one than in a tile
static const size_t kGroup = 4;          // queries whose weighted sums are in registers together

struct Tile {
  const float* q;  // the first query, and so on: rows of the arguments
  const float* k;
  const float* v;
  float* out;
  size_t ldo, ldq, ldk, ldv, d;
  size_t n;        // queries
  size_t common;   // keys that all of them see: query i sees i more
  float* columns;  // d columns of V vectors of queries
  float* s;        // for each key V vectors: scores, then weights
  float scale;
};

// Lanes without a query repeat the last one.
template <size_t V>
static inline void transpose(const Tile& t) {
  for (size_t i = 0; i < V * kLanes; i += 4) {
    const float* row[4];
    for (size_t r = 0; r < 4; ++r) {
      row[r] = t.q + (i + r < t.n ? i + r : t.n - 1) * t.ldq;
    }
    float* to = t.columns + i;
    size_t e = 0;
    for (; e + 4 <= t.d; e += 4, to += 4 * V * kLanes) {
      __m128 a = _mm_loadu_ps(row[0] + e);
      __m128 b = _mm_loadu_ps(row[1] + e);
      __m128 c = _mm_loadu_ps(row[2] + e);
      __m128 d = _mm_loadu_ps(row[3] + e);
      _MM_TRANSPOSE4_PS(a, b, c, d);
      _mm_store_ps(to, a);
      _mm_store_ps(to + V * kLanes, b);
      _mm_store_ps(to + 2 * V * kLanes, c);
      _mm_store_ps(to + 3 * V * kLanes, d);
    }
    for (; e < t.d; ++e, to += V * kLanes) {
      for (size_t r = 0; r < 4; ++r) {
        to[r] = row[r][e];
      }
    }
  }
}

// The scores of K keys from `key` on, and the maxima so far. A sum over d would have an error that grows with d: 16
// products at a time are added to what s holds.
template <size_t V, size_t K>
static inline void score_keys(const Tile& t, size_t key, __m128 (&max)[V]) {
  const float* k[K];
  for (size_t j = 0; j < K; ++j) {
    k[j] = t.k + (key + j) * t.ldk;
  }
  float* s = t.s + key * V * kLanes;
  const float* q = t.columns;
  for (size_t begin = 0; begin < t.d; begin += 16) {
    const size_t end = t.d - begin < 16 ? t.d : begin + 16;
    __m128 sum[K][V];
#pragma GCC unroll 8
    for (size_t j = 0; j < K; ++j) {
#pragma GCC unroll 2
      for (size_t v = 0; v < V; ++v) {
        sum[j][v] = _mm_setzero_ps();
      }
    }
#pragma GCC unroll 2
    for (size_t e = begin; e < end; ++e, q += V * kLanes) {
      __m128 x[V];
#pragma GCC unroll 2
      for (size_t v = 0; v < V; ++v) {
        x[v] = _mm_load_ps(q + v * kLanes);
      }
#pragma GCC unroll 8
      for (size_t j = 0; j < K; ++j) {
        const __m128 y = _mm_set1_ps(k[j][e]);
#pragma GCC unroll 2
        for (size_t v = 0; v < V; ++v) {
          sum[j][v] = _mm_add_ps(sum[j][v], _mm_mul_ps(x[v], y));
        }
      }
    }
    // The next keys: rows far apart are nothing that a CPU fetches ahead by itself. 15% measured on an Emerald Rapids.
    for (size_t j = 0; j < K; ++j) {
      _mm_prefetch(reinterpret_cast<const char*>(k[j] + K * t.ldk + begin), _MM_HINT_T0);
    }
    if (begin > 0) {
#pragma GCC unroll 8
      for (size_t j = 0; j < K; ++j) {
#pragma GCC unroll 2
        for (size_t v = 0; v < V; ++v) {
          sum[j][v] = _mm_add_ps(sum[j][v], _mm_load_ps(s + (j * V + v) * kLanes));
        }
      }
    }
    if (end == t.d) {
      const __m128i lane[2] = {_mm_setr_epi32(0, 1, 2, 3), _mm_setr_epi32(4, 5, 6, 7)};
#pragma GCC unroll 8
      for (size_t j = 0; j < K; ++j) {
        // So many queries do not see it.
        const int hidden = key + j < t.common ? 0 : static_cast<int>(key + j - t.common + 1);
#pragma GCC unroll 2
        for (size_t v = 0; v < V; ++v) {
          const __m128i unseen = _mm_cmpgt_epi32(_mm_set1_epi32(hidden), lane[v]);
          sum[j][v] = _mm_blendv_ps(_mm_mul_ps(sum[j][v], _mm_set1_ps(t.scale)), _mm_set1_ps(-__builtin_inff()),
                                    _mm_castsi128_ps(unseen));
          max[v] = _mm_max_ps(sum[j][v], max[v]);  // passes over NaN, which the sum will meet
        }
      }
    }
#pragma GCC unroll 8
    for (size_t j = 0; j < K; ++j) {
#pragma GCC unroll 2
      for (size_t v = 0; v < V; ++v) {
        _mm_store_ps(s + (j * V + v) * kLanes, sum[j][v]);
      }
    }
  }
}

// Scores to weights, but for the factor that is returned: one over their sum. What a query does not see adds e^-110.
template <size_t V>
static inline void exponentials(const Tile& t, const __m128 (&max)[V], __m128 (&factor)[V]) {
  const size_t m = t.common + t.n - 1;
  for (size_t v = 0; v < V; ++v) {
    const __m128 all_masked = _mm_cmpeq_ps(max[v], _mm_set1_ps(-__builtin_inff()));
    const __m128 zero = _mm_andnot_ps(all_masked, max[v]);
    __m128 total = _mm_setzero_ps();
    float* s = t.s + v * kLanes;
    for (size_t j = 0; j < m;) {
      __m128 sums[2] = {_mm_setzero_ps(), _mm_setzero_ps()};
      const size_t end = m - j < 2 * kKeys ? m : j + 2 * kKeys;
      for (; j + 2 <= end; j += 2, s += 2 * V * kLanes) {
#pragma GCC unroll 2
        for (size_t r = 0; r < 2; ++r) {
          const __m128 e = exp64(_mm_sub_ps(_mm_load_ps(s + r * V * kLanes), zero));
          _mm_store_ps(s + r * V * kLanes, e);
          sums[r] = _mm_add_ps(sums[r], e);
        }
      }
      if (j < end) {
        const __m128 e = exp64(_mm_sub_ps(_mm_load_ps(s), zero));
        _mm_store_ps(s, e);
        sums[0] = _mm_add_ps(sums[0], e);
        ++j;
      }
      total = _mm_add_ps(total, _mm_add_ps(sums[0], sums[1]));
    }
    // 0 * total is NaN if a score is.
    factor[v] = _mm_blendv_ps(_mm_div_ps(_mm_set1_ps(1.0f), total), _mm_mul_ps(total, _mm_setzero_ps()), all_masked);
  }
}

// Columns of out of a group of queries = the sum of w * v over n rows, or added to what out holds. Then come `more`
// rows, of which the r-th, from 1 on, is seen by the queries from r on.
template <size_t V, size_t C>
static inline void weigh_group(const Tile& t, size_t group, size_t column, size_t key, size_t n, size_t more) {
  const size_t queries = t.n - group < kGroup ? t.n - group : kGroup;
  const float* w = t.s + key * V * kLanes + group;
  const float* v = t.v + key * t.ldv + column;
  __m128 sum[kGroup][C];
#pragma GCC unroll 8
  for (size_t i = 0; i < kGroup; ++i) {
#pragma GCC unroll 4
    for (size_t c = 0; c < C; ++c) {
      sum[i][c] = _mm_setzero_ps();
    }
  }
  const auto row = [&](size_t first) __attribute__((always_inline)) {
    __m128 x[C];
#pragma GCC unroll 4
    for (size_t c = 0; c < C; ++c) {
      x[c] = _mm_loadu_ps(v + c * kLanes);
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < kGroup; ++i) {
      if (i >= first) {
        const __m128 weight = _mm_set1_ps(w[i]);
#pragma GCC unroll 4
        for (size_t c = 0; c < C; ++c) {
          sum[i][c] = _mm_add_ps(sum[i][c], _mm_mul_ps(weight, x[c]));
        }
      }
    }
    w += V * kLanes;
    v += t.ldv;
  };
  for (size_t j = 0; j < n; ++j) {
    row(0);
  }
#pragma GCC unroll 8
  for (size_t r = 1; r < kGroup; ++r) {
    if (r > more) {
      break;
    }
    row(r);
  }
  float* out = t.out + group * t.ldo + column;
#pragma GCC unroll 8
  for (size_t i = 0; i < kGroup; ++i, out += t.ldo) {
    if (i >= queries) {
      break;
    }
#pragma GCC unroll 4
    for (size_t c = 0; c < C; ++c) {
      float* to = out + c * kLanes;
      _mm_storeu_ps(to, key > 0 ? _mm_add_ps(_mm_loadu_ps(to), sum[i][c]) : sum[i][c]);
    }
  }
}

template <size_t V>
static inline void weigh_keys(const Tile& t, size_t group, size_t key, size_t n, size_t more) {
  size_t column = 0;
  for (; column + 2 * kLanes <= t.d; column += 2 * kLanes) {
    weigh_group<V, 2>(t, group, column, key, n, more);
  }
  if (column + kLanes <= t.d) {
    weigh_group<V, 1>(t, group, column, key, n, more);
    column += kLanes;
  }
  for (; column < t.d; ++column) {
    for (size_t i = 0; i < kGroup && group + i < t.n; ++i) {
      const float* w = t.s + key * V * kLanes + group + i;
      float sum = 0;
      for (size_t j = 0; j < n + (i < more ? i : more); ++j) {
        sum += w[j * V * kLanes] * t.v[(key + j) * t.ldv + column];
      }
      float* to = t.out + (group + i) * t.ldo + column;
      *to = key > 0 ? *to + sum : sum;
    }
  }
}

template <size_t V>
static inline void multiply_keys(const Tile& t, size_t key, size_t n, const __m128 (&factor)[V]) {
  float* s = t.s + key * V * kLanes;
  for (size_t j = 0; j < n; ++j, s += V * kLanes) {
#pragma GCC unroll 2
    for (size_t v = 0; v < V; ++v) {
      _mm_store_ps(s + v * kLanes, _mm_mul_ps(_mm_load_ps(s + v * kLanes), factor[v]));
    }
  }
}

template <size_t V>
static void attend(const Tile& t) {
  const size_t m = t.common + t.n - 1;
  transpose<V>(t);
  __m128 max[V];
  for (size_t v = 0; v < V; ++v) {
    max[v] = _mm_set1_ps(-__builtin_inff());
  }
  for (size_t j = 0; j < m; j += kKeysTogether) {
    // At the end some keys are done once more.
    if (j + kKeysTogether <= m) {
      score_keys<V, kKeysTogether>(t, j, max);
    } else if (j + kKeysTogether / 2 < m) {
      score_keys<V, kKeysTogether>(t, m - kKeysTogether, max);
    } else {
      score_keys<V, kKeysTogether / 2>(t, m - kKeysTogether / 2, max);
    }
  }
  __m128 factor[V];
  exponentials<V>(t, max, factor);
  // Blocks of keys begin where all queries of a group see none or all of the keys before: at `common` and so on.
  const size_t first = (t.common - 1) % kKeys + 1;
  for (size_t key = 0, n = first; key < m; key += n, n = m - key < kKeys ? m - key : kKeys) {
    multiply_keys<V>(t, key, n, factor);
    for (size_t group = 0; group < t.n; group += kGroup) {
      const size_t seen = t.common + group;  // by all of the group
      const size_t queries = t.n - group < kGroup ? t.n - group : kGroup;
      if (key + n <= seen) {
        weigh_keys<V>(t, group, key, n, 0);
      } else if (key <= seen && seen - key + queries > 1) {
        weigh_keys<V>(t, group, key, seen - key, queries - 1);
      }
    }
  }
}

extern "C" void attention_f32_sse(const attention_f32_args* args) {
  const attention_f32_args a = *args;
  // The rows of a tile begin at cache lines.
  float* const scratch = a.scratch + (-reinterpret_cast<uintptr_t>(a.scratch) / sizeof(float)) % 16;
  for (size_t i = 0; i < a.n_q;) {
    const size_t left = a.n_q - i;
    if (left > kFew && a.pos + i + left >= kKeysTogether) {
      const size_t n = left < kMost ? left : kMost;
      const Tile tile = {a.q + i * a.ldq,
                         a.k,
                         a.v,
                         a.out + i * a.ldo,
                         a.ldo,
                         a.ldq,
                         a.ldk,
                         a.ldv,
                         a.d,
                         n,
                         a.pos + i + 1,
                         scratch,
                         scratch + a.d * kMost,
                         a.scale};
      n > kLanes ? attend<2>(tile) : attend<1>(tile);
      i += n;
    } else {
      const size_t m = a.pos + i + 1;
      scores(a.scratch, a.q + i * a.ldq, a.k, a.ldk, m, a.d, a.scale);
      softmax(a.scratch, m);
      for (size_t j = 0; j < m; j += kKeys) {
        const size_t n = m - j < kKeys ? m - j : kKeys;
        weigh(a.out + i * a.ldo, a.scratch + j, a.v + j * a.ldv, a.ldv, n, a.d, j > 0);
      }
      ++i;
    }
  }
}
