#include <immintrin.h>

#include "kernels/attention_f32/kernel.h"

extern "C" attention_f32_fn attention_f32_avx512;

static const size_t kKeys = 16;  // keys summed before they are added to out: running sums would grow the error with m

static inline __mmask16 mask_of(size_t n) { return static_cast<__mmask16>((1u << n) - 1); }

// 2^64 * e^z for z <= 0, and e^-110, which is nothing to softmax, for all z under -110; NaN for
// NaN. z = n ln 2 + r with |r| <= ln(2)/2; ln 2 in two parts, of which n times the first is exact
// (Cody and Waite 1980; the parts are those of Cephes' expf). The polynomial is the minimax of (e^r
// - 1 - r) / r^2 by Remez' algorithm, 3.1e-9 of e^r off at most. 2^64 keeps every result normal:
// the caller's last product, by 2^-64 over the sum, is the one that may be subnormal.
static inline __m512 exp64(__m512 z) {
  z = _mm512_max_ps(_mm512_set1_ps(-110.0f), z);  // in this order a NaN in z stays
  // 1.5 * 2^23 rounds to an integer n; with n + 64 + 127 in the low bits of the sum, a shift gives
  // 2^(n + 64).
  const __m512 shift = _mm512_set1_ps(0x1.8p23f + 191);
  const __m512 shifted = _mm512_fmadd_ps(z, _mm512_set1_ps(0x1.715476p0f), shift);
  const __m512 n = _mm512_sub_ps(shifted, shift);
  const __m512 power = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(shifted), 23));
  const __m512 high = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), z);
  const __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), high);
  __m512 p = _mm512_set1_ps(0x1.6a23d0p-10f);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.123a20p-7f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.5558f2p-5f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.555492p-3f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.fffffcp-2f));
  p = _mm512_fmadd_ps(_mm512_mul_ps(r, r), p, r);
  return _mm512_mul_ps(_mm512_add_ps(p, _mm512_set1_ps(1.0f)), power);
}

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

extern "C" void attention_f32_avx512(const attention_f32_args* args) {
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
