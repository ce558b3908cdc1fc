#include <immintrin.h>

#include "kernels/attention_f32/kernel.h"

extern "C" attention_f32_fn attention_f32_sse;

static const size_t kKeys = 16;  // keys summed before they are added to out: running sums would grow the error with m

// 2^64 * e^z for z <= 0, and e^-110, which is nothing to softmax, for all z under -110; NaN for
// NaN. z = n ln 2 + r with |r| <= ln(2)/2; ln 2 in two parts, of which n times the first is exact
// (Cody and Waite 1980; the parts are those of Cephes' expf). The polynomial is the minimax of (e^r
// - 1 - r) / r^2 by Remez' algorithm, 3.1e-9 of e^r off at most. 2^64 keeps every result normal:
// the caller's last product, by 2^-64 over the sum, is the one that may be subnormal.
static inline __m128 exp64(__m128 z) {
  z = _mm_max_ps(_mm_set1_ps(-110.0f), z);  // in this order a NaN in z stays
  // 1.5 * 2^23 rounds to an integer n; with n + 64 + 127 in the low bits of the sum, a shift gives
  // 2^(n + 64).
  const __m128 shift = _mm_set1_ps(0x1.8p23f + 191);
  const __m128 shifted = _mm_add_ps(_mm_mul_ps(z, _mm_set1_ps(0x1.715476p0f)), shift);
  const __m128 n = _mm_sub_ps(shifted, shift);
  const __m128 power = _mm_castsi128_ps(_mm_slli_epi32(_mm_castps_si128(shifted), 23));
  const __m128 high = _mm_sub_ps(z, _mm_mul_ps(n, _mm_set1_ps(0.693359375f)));
  const __m128 r = _mm_sub_ps(high, _mm_mul_ps(n, _mm_set1_ps(-2.12194440e-4f)));
  __m128 p = _mm_set1_ps(0x1.6a23d0p-10f);
  p = _mm_add_ps(_mm_mul_ps(p, r), _mm_set1_ps(0x1.123a20p-7f));
  p = _mm_add_ps(_mm_mul_ps(p, r), _mm_set1_ps(0x1.5558f2p-5f));
  p = _mm_add_ps(_mm_mul_ps(p, r), _mm_set1_ps(0x1.555492p-3f));
  p = _mm_add_ps(_mm_mul_ps(p, r), _mm_set1_ps(0x1.fffffcp-2f));
  p = _mm_add_ps(_mm_mul_ps(_mm_mul_ps(r, r), p), r);
  return _mm_mul_ps(_mm_add_ps(p, _mm_set1_ps(1.0f)), power);
}

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

extern "C" void attention_f32_sse(const attention_f32_args* args) {
  const attention_f32_args a = *args;
  for (size_t i = 0; i < a.n_q; ++i) {
    const size_t m = a.pos + i + 1;
    scores(a.scratch, a.q + i * a.ldq, a.k, a.ldk, m, a.d, a.scale);
    softmax(a.scratch, m);
    for (size_t j = 0; j < m; j += kKeys) {
      const size_t n = m - j < kKeys ? m - j : kKeys;
      weigh(a.out + i * a.ldo, a.scratch + j, a.v + j * a.ldv, a.ldv, n, a.d, j > 0);
    }
  }
}
