#include <immintrin.h>
#include <stdint.h>

#include "kernels/attention_f32/kernel.h"
#include "kernels/shared/avx512.h"

extern "C" attention_f32_fn attention_f32_avx512;

static const size_t kKeys = 16;  // keys summed before they are added to out: running sums would grow the error with m

// q . k for 8 keys at once, so that the sums across lanes are shared.
static inline __m256 dots(const float* q, const float* const (&k)[8], size_t d) {
  __m512 s[8];
  for (int j = 0; j < 8; ++j) {
    s[j] = _mm512_setzero_ps();
  }
  size_t e = 0;
  for (; e + 16 <= d; e += 16) {
    const __m512 x = _mm512_loadu_ps(q + e);
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
      s[j] = _mm512_fmadd_ps(x, _mm512_loadu_ps(k[j] + e), s[j]);
    }
  }
  if (e < d) {
    const __mmask16 tail = mask_of(d % 16);
    const __m512 x = _mm512_maskz_loadu_ps(tail, q + e);
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
      s[j] = _mm512_fmadd_ps(x, _mm512_maskz_loadu_ps(tail, k[j] + e), s[j]);
    }
  }
  // Halves of two keys, then quarters of four, are added in one register; then a key is a lane of
  // 128 bits.
  __m512 pair[4];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    pair[j] = _mm512_add_ps(_mm512_shuffle_f32x4(s[2 * j], s[2 * j + 1], 0x44),
                            _mm512_shuffle_f32x4(s[2 * j], s[2 * j + 1], 0xee));
  }
  const __m512 a =
      _mm512_add_ps(_mm512_shuffle_f32x4(pair[0], pair[1], 0x88), _mm512_shuffle_f32x4(pair[0], pair[1], 0xdd));
  const __m512 b =
      _mm512_add_ps(_mm512_shuffle_f32x4(pair[2], pair[3], 0x88), _mm512_shuffle_f32x4(pair[2], pair[3], 0xdd));
  const __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
  const __m512 sums = _mm512_add_ps(ab, _mm512_permute_ps(ab, 0x4e));
  const __m512i order = _mm512_castsi256_si512(_mm256_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13));
  return _mm512_castps512_ps256(_mm512_permutexvar_ps(order, sums));
}

static inline void scores(float* s, const float* q, const float* k, size_t ldk, size_t m, size_t d, float scale) {
  for (size_t j = 0; j < m; j += 8) {
    const float* row = k + j * ldk;
    if (m - j >= 8) {
      const float* const rows[8] = {row,           row + ldk,     row + 2 * ldk, row + 3 * ldk,
                                    row + 4 * ldk, row + 5 * ldk, row + 6 * ldk, row + 7 * ldk};
      _mm256_storeu_ps(s + j, _mm256_mul_ps(dots(q, rows, d), _mm256_set1_ps(scale)));
    } else {
      const size_t last = m - j - 1;  // it stands in for keys that are not there
      const float* rows[8];
      for (size_t t = 0; t < 8; ++t) {
        rows[t] = row + (t < last ? t : last) * ldk;
      }
      const __m256 x = _mm256_mul_ps(dots(q, rows, d), _mm256_set1_ps(scale));
      _mm256_mask_storeu_ps(s + j, static_cast<__mmask8>((2u << last) - 1), x);
    }
  }
}

// In place: scores to weights.
static inline void softmax(float* s, size_t n) {
  const __m512 masked = _mm512_set1_ps(-__builtin_inff());
  const __mmask16 tail = mask_of(n % 16);
  __m512 m[4] = {masked, masked, masked, masked};
  size_t i = 0;
  for (; i + 64 <= n; i += 64) {
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) {
      m[j] = _mm512_max_ps(_mm512_loadu_ps(s + i + 16 * j),
                           m[j]);  // passes over NaN, which the sum will meet
    }
  }
  for (; i + 16 <= n; i += 16) {
    m[0] = _mm512_max_ps(_mm512_loadu_ps(s + i), m[0]);
  }
  if (i < n) {
    m[1] = _mm512_max_ps(_mm512_mask_loadu_ps(masked, tail, s + i), m[1]);
  }
  const float max = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_max_ps(m[0], m[1]), _mm512_max_ps(m[2], m[3])));
  const bool all_masked = max == -__builtin_inff();
  const __m512 zero = _mm512_set1_ps(all_masked ? 0.0f : max);
  __m512 sums[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
  for (i = 0; i + 64 <= n; i += 64) {
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) {
      const __m512 e = exp64(_mm512_sub_ps(_mm512_loadu_ps(s + i + 16 * j), zero));
      _mm512_storeu_ps(s + i + 16 * j, e);
      sums[j] = _mm512_add_ps(sums[j], e);
    }
  }
  for (; i + 16 <= n; i += 16) {
    const __m512 e = exp64(_mm512_sub_ps(_mm512_loadu_ps(s + i), zero));
    _mm512_storeu_ps(s + i, e);
    sums[0] = _mm512_add_ps(sums[0], e);
  }
  if (i < n) {
    const __m512 e = exp64(_mm512_sub_ps(_mm512_maskz_loadu_ps(tail, s + i), zero));
    _mm512_mask_storeu_ps(s + i, tail, e);
    sums[1] = _mm512_mask_add_ps(sums[1], tail, sums[1], e);
  }
  const float total =
      _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3])));
  const __m512 reciprocal = _mm512_set1_ps(all_masked ? 0.0f * total : 1.0f / total);  // 0 * total is NaN if a score is
  for (i = 0; i + 64 <= n; i += 64) {
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) {
      _mm512_storeu_ps(s + i + 16 * j, _mm512_mul_ps(_mm512_loadu_ps(s + i + 16 * j), reciprocal));
    }
  }
  for (; i + 16 <= n; i += 16) {
    _mm512_storeu_ps(s + i, _mm512_mul_ps(_mm512_loadu_ps(s + i), reciprocal));
  }
  if (i < n) {
    _mm512_mask_storeu_ps(s + i, tail, _mm512_mul_ps(_mm512_maskz_loadu_ps(tail, s + i), reciprocal));
  }
}

// Columns [0, 16 * kVectors) of out = the sum of w[j] * v[j] over n rows, or added to what out
// holds. Eight sums at once hide the latency of the FMA: where there are fewer columns, alternate
// rows go to different sums.
template <size_t kVectors>
static inline void weigh_columns(float* out, const float* w, const float* v, size_t ldv, size_t n, bool add) {
  constexpr size_t kSets = 8 / kVectors;
  __m512 s[kSets][kVectors];
  for (size_t r = 0; r < kSets; ++r) {
    for (size_t t = 0; t < kVectors; ++t) {
      s[r][t] = _mm512_setzero_ps();
    }
  }
  size_t j = 0;
  for (; j + kSets <= n; j += kSets) {
#pragma GCC unroll 8
    for (size_t r = 0; r < kSets; ++r) {
      const __m512 weight = _mm512_set1_ps(w[j + r]);
#pragma GCC unroll 8
      for (size_t t = 0; t < kVectors; ++t) {
        s[r][t] = _mm512_fmadd_ps(weight, _mm512_loadu_ps(v + (j + r) * ldv + 16 * t), s[r][t]);
      }
    }
  }
  for (; j < n; ++j) {
    const __m512 weight = _mm512_set1_ps(w[j]);
#pragma GCC unroll 8
    for (size_t t = 0; t < kVectors; ++t) {
      s[0][t] = _mm512_fmadd_ps(weight, _mm512_loadu_ps(v + j * ldv + 16 * t), s[0][t]);
    }
  }
#pragma GCC unroll 8
  for (size_t t = 0; t < kVectors; ++t) {
#pragma GCC unroll 8
    for (size_t half = kSets / 2; half > 0; half /= 2) {
#pragma GCC unroll 8
      for (size_t r = 0; r < half; ++r) {
        s[r][t] = _mm512_add_ps(s[r][t], s[r + half][t]);
      }
    }
    _mm512_storeu_ps(out + 16 * t, add ? _mm512_add_ps(_mm512_loadu_ps(out + 16 * t), s[0][t]) : s[0][t]);
  }
}

static inline void weigh(float* out, const float* w, const float* v, size_t ldv, size_t n, size_t d, bool add) {
  size_t e = 0;
  for (; e + 128 <= d; e += 128) {
    weigh_columns<8>(out + e, w, v + e, ldv, n, add);
  }
  if (e + 64 <= d) {
    weigh_columns<4>(out + e, w, v + e, ldv, n, add);
    e += 64;
  }
  if (e + 32 <= d) {
    weigh_columns<2>(out + e, w, v + e, ldv, n, add);
    e += 32;
  }
  if (e + 16 <= d) {
    weigh_columns<1>(out + e, w, v + e, ldv, n, add);
    e += 16;
  }
  if (e < d) {
    const __mmask16 tail = mask_of(d % 16);
    __m512 s = _mm512_setzero_ps();
    for (size_t j = 0; j < n; ++j) {
      s = _mm512_fmadd_ps(_mm512_set1_ps(w[j]), _mm512_maskz_loadu_ps(tail, v + j * ldv + e), s);
    }
    _mm512_mask_storeu_ps(out + e, tail, add ? _mm512_add_ps(_mm512_maskz_loadu_ps(tail, out + e), s) : s);
  }
}

// ---- a tile of queries: each is a lane, so all share a row of k, and no sum crosses lanes ----

static const size_t kLanes = 16;
static const size_t kMost = 2 * kLanes;  // queries of a tile: with 2 vectors of them, 10 loads go with 16 FMAs
static const size_t kKeysTogether = 8;   // keys whose scores are made together
static const size_t kFew = 5;            // queries that are faster one by one than in a tile
static const size_t kGroup = 8;          // queries whose weighted sums are in registers together

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
static inline void score_keys(const Tile& t, size_t key, __m512 (&max)[V]) {
  const float* k[K];
  for (size_t j = 0; j < K; ++j) {
    k[j] = t.k + (key + j) * t.ldk;
  }
  float* s = t.s + key * V * kLanes;
  const float* q = t.columns;
  for (size_t begin = 0; begin < t.d; begin += 16) {
    const size_t end = t.d - begin < 16 ? t.d : begin + 16;
    __m512 sum[K][V];
#pragma GCC unroll 8
    for (size_t j = 0; j < K; ++j) {
#pragma GCC unroll 2
      for (size_t v = 0; v < V; ++v) {
        sum[j][v] = _mm512_setzero_ps();
      }
    }
#pragma GCC unroll 2
    for (size_t e = begin; e < end; ++e, q += V * kLanes) {
      __m512 x[V];
#pragma GCC unroll 2
      for (size_t v = 0; v < V; ++v) {
        x[v] = _mm512_load_ps(q + v * kLanes);
      }
#pragma GCC unroll 8
      for (size_t j = 0; j < K; ++j) {
        const __m512 y = _mm512_set1_ps(k[j][e]);
#pragma GCC unroll 2
        for (size_t v = 0; v < V; ++v) {
          sum[j][v] = _mm512_fmadd_ps(x[v], y, sum[j][v]);
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
          sum[j][v] = _mm512_add_ps(sum[j][v], _mm512_load_ps(s + (j * V + v) * kLanes));
        }
      }
    }
    if (end == t.d) {
#pragma GCC unroll 8
      for (size_t j = 0; j < K; ++j) {
        // So many queries do not see it.
        const uint64_t hidden = key + j < t.common ? 0 : key + j - t.common + 1;
#pragma GCC unroll 2
        for (size_t v = 0; v < V; ++v) {
          const __mmask16 seen = static_cast<__mmask16>((~uint64_t{0} << hidden) >> (v * kLanes));
          sum[j][v] = _mm512_mask_mul_ps(_mm512_set1_ps(-__builtin_inff()), seen, sum[j][v], _mm512_set1_ps(t.scale));
          max[v] = _mm512_max_ps(sum[j][v], max[v]);  // passes over NaN, which the sum will meet
        }
      }
    }
#pragma GCC unroll 8
    for (size_t j = 0; j < K; ++j) {
#pragma GCC unroll 2
      for (size_t v = 0; v < V; ++v) {
        _mm512_store_ps(s + (j * V + v) * kLanes, sum[j][v]);
      }
    }
  }
}

// Scores to weights, but for the factor that is returned: one over their sum. What a query does not see adds e^-110.
template <size_t V>
static inline void exponentials(const Tile& t, const __m512 (&max)[V], __m512 (&factor)[V]) {
  const size_t m = t.common + t.n - 1;
  for (size_t v = 0; v < V; ++v) {
    const __mmask16 all_masked = _mm512_cmpeq_ps_mask(max[v], _mm512_set1_ps(-__builtin_inff()));
    const __m512 zero = _mm512_mask_mov_ps(max[v], all_masked, _mm512_setzero_ps());
    __m512 total = _mm512_setzero_ps();
    float* s = t.s + v * kLanes;
    for (size_t j = 0; j < m;) {
      __m512 sums[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
      const size_t end = m - j < 2 * kKeys ? m : j + 2 * kKeys;
      for (; j + 2 <= end; j += 2, s += 2 * V * kLanes) {
#pragma GCC unroll 2
        for (size_t r = 0; r < 2; ++r) {
          const __m512 e = exp64(_mm512_sub_ps(_mm512_load_ps(s + r * V * kLanes), zero));
          _mm512_store_ps(s + r * V * kLanes, e);
          sums[r] = _mm512_add_ps(sums[r], e);
        }
      }
      if (j < end) {
        const __m512 e = exp64(_mm512_sub_ps(_mm512_load_ps(s), zero));
        _mm512_store_ps(s, e);
        sums[0] = _mm512_add_ps(sums[0], e);
        ++j;
      }
      total = _mm512_add_ps(total, _mm512_add_ps(sums[0], sums[1]));
    }
    // 0 * total is NaN if a score is.
    factor[v] = _mm512_mask_mul_ps(_mm512_div_ps(_mm512_set1_ps(1.0f), total), all_masked, total, _mm512_setzero_ps());
  }
}

// Columns of out of a group of queries = the sum of w * v over n rows, or added to what out holds. Then come `more`
// rows, of which the r-th, from 1 on, is seen by the queries from r on.
template <size_t V, size_t C>
static inline void weigh_group(const Tile& t, size_t group, size_t column, size_t key, size_t n, size_t more,
                               __mmask16 last) {
  const size_t queries = t.n - group < kGroup ? t.n - group : kGroup;
  const float* w = t.s + key * V * kLanes + group;
  const float* v = t.v + key * t.ldv + column;
  __m512 sum[kGroup][C];
#pragma GCC unroll 8
  for (size_t i = 0; i < kGroup; ++i) {
#pragma GCC unroll 4
    for (size_t c = 0; c < C; ++c) {
      sum[i][c] = _mm512_setzero_ps();
    }
  }
  const auto row = [&](size_t first) __attribute__((always_inline)) {
    __m512 x[C];
#pragma GCC unroll 4
    for (size_t c = 0; c < C; ++c) {
      x[c] = c + 1 < C ? _mm512_loadu_ps(v + c * kLanes) : _mm512_maskz_loadu_ps(last, v + c * kLanes);
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < kGroup; ++i) {
      if (i >= first) {
        const __m512 weight = _mm512_set1_ps(w[i]);
#pragma GCC unroll 4
        for (size_t c = 0; c < C; ++c) {
          sum[i][c] = _mm512_fmadd_ps(weight, x[c], sum[i][c]);
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
      const __mmask16 mask = c + 1 < C ? __mmask16{0xffff} : last;
      float* to = out + c * kLanes;
      _mm512_mask_storeu_ps(to, mask, key > 0 ? _mm512_add_ps(_mm512_maskz_loadu_ps(mask, to), sum[i][c]) : sum[i][c]);
    }
  }
}

template <size_t V>
static inline void weigh_keys(const Tile& t, size_t group, size_t key, size_t n, size_t more) {
  for (size_t column = 0; column < t.d;) {
    const size_t left = (t.d - column + kLanes - 1) / kLanes;
    const size_t vectors = left == 4 ? 2 : left < 3 ? left : 3;
    const __mmask16 last = vectors < left || t.d % kLanes == 0 ? __mmask16{0xffff} : mask_of(t.d % kLanes);
    if (vectors == 3) {
      weigh_group<V, 3>(t, group, column, key, n, more, last);
    } else if (vectors == 2) {
      weigh_group<V, 2>(t, group, column, key, n, more, last);
    } else {
      weigh_group<V, 1>(t, group, column, key, n, more, last);
    }
    column += vectors * kLanes;
  }
}

template <size_t V>
static inline void multiply_keys(const Tile& t, size_t key, size_t n, const __m512 (&factor)[V]) {
  float* s = t.s + key * V * kLanes;
  for (size_t j = 0; j < n; ++j, s += V * kLanes) {
#pragma GCC unroll 2
    for (size_t v = 0; v < V; ++v) {
      _mm512_store_ps(s + v * kLanes, _mm512_mul_ps(_mm512_load_ps(s + v * kLanes), factor[v]));
    }
  }
}

template <size_t V>
static void attend(const Tile& t) {
  const size_t m = t.common + t.n - 1;
  transpose<V>(t);
  __m512 max[V];
  for (size_t v = 0; v < V; ++v) {
    max[v] = _mm512_set1_ps(-__builtin_inff());
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
  __m512 factor[V];
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

extern "C" void attention_f32_avx512(const attention_f32_args* args) {
  const attention_f32_args a = *args;
  // The rows of a tile begin at cache lines.
  float* const scratch = a.scratch + (-reinterpret_cast<uintptr_t>(a.scratch) / sizeof(float)) % kLanes;
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
  _mm256_zeroupper();  // GCC 12 leaves it out where n_q = 0 and only the arguments were copied
}
