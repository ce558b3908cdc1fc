#include <immintrin.h>

#include "kernels/attention_f32/kernel.h"

extern "C" attention_f32_fn attention_f32_avx2;

static const size_t kKeys = 16;  // keys summed before they are added to out: running sums would grow the error with m

// The n % 8 mask is a window into this table.
static const int kMask[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};

static inline __m256i mask_of(size_t n) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kMask + 8 - n)); }

// 2^64 * e^z for z <= 0, and e^-110, which is nothing to softmax, for all z under -110; NaN for
// NaN. z = n ln 2 + r with |r| <= ln(2)/2; ln 2 in two parts, of which n times the first is exact
// (Cody and Waite 1980; the parts are those of Cephes' expf). The polynomial is the minimax of (e^r
// - 1 - r) / r^2 by Remez' algorithm, 3.1e-9 of e^r off at most. 2^64 keeps every result normal:
// the caller's last product, by 2^-64 over the sum, is the one that may be subnormal.
static inline __m256 exp64(__m256 z) {
  z = _mm256_max_ps(_mm256_set1_ps(-110.0f), z);  // in this order a NaN in z stays
  // 1.5 * 2^23 rounds to an integer n; with n + 64 + 127 in the low bits of the sum, a shift gives
  // 2^(n + 64).
  const __m256 shift = _mm256_set1_ps(0x1.8p23f + 191);
  const __m256 shifted = _mm256_fmadd_ps(z, _mm256_set1_ps(0x1.715476p0f), shift);
  const __m256 n = _mm256_sub_ps(shifted, shift);
  const __m256 power = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(shifted), 23));
  const __m256 high = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375f), z);
  const __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4f), high);
  __m256 p = _mm256_set1_ps(0x1.6a23d0p-10f);
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0x1.123a20p-7f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0x1.5558f2p-5f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0x1.555492p-3f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0x1.fffffcp-2f));
  p = _mm256_fmadd_ps(_mm256_mul_ps(r, r), p, r);
  return _mm256_mul_ps(_mm256_add_ps(p, _mm256_set1_ps(1.0f)), power);
}

// s[j] = columns [begin, end) of q . k[j].
static inline __attribute__((always_inline)) void multiply(__m256 (&s)[8], const float* q, const float* const (&k)[8],
                                                           size_t begin, size_t end) {
  for (int j = 0; j < 8; ++j) {
    s[j] = _mm256_setzero_ps();
  }
  size_t e = begin;
  for (; e + 8 <= end; e += 8) {
    const __m256 x = _mm256_loadu_ps(q + e);
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
      s[j] = _mm256_fmadd_ps(x, _mm256_loadu_ps(k[j] + e), s[j]);
    }
  }
  if (e < end) {
    const __m256i tail = mask_of(end - e);
    const __m256 x = _mm256_maskload_ps(q + e, tail);
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
      s[j] = _mm256_fmadd_ps(x, _mm256_maskload_ps(k[j] + e, tail), s[j]);
    }
  }
}

// q . k for 8 keys at once, so that the sums across lanes are shared. One register a key is 8
// partial sums, not 16: up to 32 products each, their error is under the bound, and beyond that
// such blocks are added up.
static inline __m256 dots(const float* q, const float* const (&k)[8], size_t d) {
  constexpr size_t kBlock = 256;
  __m256 s[8];
  multiply(s, q, k, 0, d < kBlock ? d : kBlock);
  for (size_t begin = kBlock; begin < d; begin += kBlock) {
    __m256 more[8];
    multiply(more, q, k, begin, d - begin < kBlock ? d : begin + kBlock);
    for (int j = 0; j < 8; ++j) {
      s[j] = _mm256_add_ps(s[j], more[j]);
    }
  }
  const __m256 a = _mm256_hadd_ps(_mm256_hadd_ps(s[0], s[1]), _mm256_hadd_ps(s[2], s[3]));
  const __m256 b = _mm256_hadd_ps(_mm256_hadd_ps(s[4], s[5]), _mm256_hadd_ps(s[6], s[7]));
  return _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
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
      _mm256_maskstore_ps(s + j, mask_of(last + 1), x);
    }
  }
}

// In place: scores to weights.
static inline void softmax(float* s, size_t n) {
  const __m256 masked = _mm256_set1_ps(-__builtin_inff());
  const __m256i tail = mask_of(n % 8);
  __m256 m[4] = {masked, masked, masked, masked};
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) {
      m[j] = _mm256_max_ps(_mm256_loadu_ps(s + i + 8 * j),
                           m[j]);  // passes over NaN, which the sum will meet
    }
  }
  for (; i + 8 <= n; i += 8) {
    m[0] = _mm256_max_ps(_mm256_loadu_ps(s + i), m[0]);
  }
  if (i < n) {
    const __m256 last = _mm256_blendv_ps(masked, _mm256_maskload_ps(s + i, tail), _mm256_castsi256_ps(tail));
    m[1] = _mm256_max_ps(last, m[1]);
  }
  m[0] = _mm256_max_ps(_mm256_max_ps(m[0], m[1]), _mm256_max_ps(m[2], m[3]));
  __m128 top = _mm_max_ps(_mm256_castps256_ps128(m[0]), _mm256_extractf128_ps(m[0], 1));
  top = _mm_max_ps(top, _mm_movehl_ps(top, top));
  const float max = _mm_cvtss_f32(_mm_max_ss(top, _mm_movehdup_ps(top)));
  const bool all_masked = max == -__builtin_inff();
  const __m256 zero = _mm256_set1_ps(all_masked ? 0.0f : max);
  __m256 sums[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
  for (i = 0; i + 32 <= n; i += 32) {
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) {
      const __m256 e = exp64(_mm256_sub_ps(_mm256_loadu_ps(s + i + 8 * j), zero));
      _mm256_storeu_ps(s + i + 8 * j, e);
      sums[j] = _mm256_add_ps(sums[j], e);
    }
  }
  for (; i + 8 <= n; i += 8) {
    const __m256 e = exp64(_mm256_sub_ps(_mm256_loadu_ps(s + i), zero));
    _mm256_storeu_ps(s + i, e);
    sums[0] = _mm256_add_ps(sums[0], e);
  }
  if (i < n) {
    const __m256 e = exp64(_mm256_sub_ps(_mm256_maskload_ps(s + i, tail), zero));
    _mm256_maskstore_ps(s + i, tail, e);
    sums[1] = _mm256_add_ps(sums[1], _mm256_and_ps(e, _mm256_castsi256_ps(tail)));
  }
  sums[0] = _mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3]));
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(sums[0]), _mm256_extractf128_ps(sums[0], 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  const float total = _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
  const __m256 reciprocal = _mm256_set1_ps(all_masked ? 0.0f * total : 1.0f / total);  // 0 * total is NaN if a score is
  for (i = 0; i + 32 <= n; i += 32) {
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) {
      _mm256_storeu_ps(s + i + 8 * j, _mm256_mul_ps(_mm256_loadu_ps(s + i + 8 * j), reciprocal));
    }
  }
  for (; i + 8 <= n; i += 8) {
    _mm256_storeu_ps(s + i, _mm256_mul_ps(_mm256_loadu_ps(s + i), reciprocal));
  }
  if (i < n) {
    _mm256_maskstore_ps(s + i, tail, _mm256_mul_ps(_mm256_maskload_ps(s + i, tail), reciprocal));
  }
}

// Columns [0, 8 * kVectors) of out = the sum of w[j] * v[j] over n rows, or added to what out
// holds. Eight sums at once hide the latency of the FMA: where there are fewer columns, alternate
// rows go to different sums.
template <size_t kVectors>
static inline void weigh_columns(float* out, const float* w, const float* v, size_t ldv, size_t n, bool add) {
  constexpr size_t kSets = 8 / kVectors;
  __m256 s[kSets][kVectors];
  for (size_t r = 0; r < kSets; ++r) {
    for (size_t t = 0; t < kVectors; ++t) {
      s[r][t] = _mm256_setzero_ps();
    }
  }
  size_t j = 0;
  for (; j + kSets <= n; j += kSets) {
#pragma GCC unroll 8
    for (size_t r = 0; r < kSets; ++r) {
      const __m256 weight = _mm256_set1_ps(w[j + r]);
#pragma GCC unroll 8
      for (size_t t = 0; t < kVectors; ++t) {
        s[r][t] = _mm256_fmadd_ps(weight, _mm256_loadu_ps(v + (j + r) * ldv + 8 * t), s[r][t]);
      }
    }
  }
  for (; j < n; ++j) {
    const __m256 weight = _mm256_set1_ps(w[j]);
#pragma GCC unroll 8
    for (size_t t = 0; t < kVectors; ++t) {
      s[0][t] = _mm256_fmadd_ps(weight, _mm256_loadu_ps(v + j * ldv + 8 * t), s[0][t]);
    }
  }
#pragma GCC unroll 8
  for (size_t t = 0; t < kVectors; ++t) {
#pragma GCC unroll 8
    for (size_t half = kSets / 2; half > 0; half /= 2) {
#pragma GCC unroll 8
      for (size_t r = 0; r < half; ++r) {
        s[r][t] = _mm256_add_ps(s[r][t], s[r + half][t]);
      }
    }
    _mm256_storeu_ps(out + 8 * t, add ? _mm256_add_ps(_mm256_loadu_ps(out + 8 * t), s[0][t]) : s[0][t]);
  }
}

static inline void weigh(float* out, const float* w, const float* v, size_t ldv, size_t n, size_t d, bool add) {
  size_t e = 0;
  for (; e + 64 <= d; e += 64) {
    weigh_columns<8>(out + e, w, v + e, ldv, n, add);
  }
  if (e + 32 <= d) {
    weigh_columns<4>(out + e, w, v + e, ldv, n, add);
    e += 32;
  }
  if (e + 16 <= d) {
    weigh_columns<2>(out + e, w, v + e, ldv, n, add);
    e += 16;
  }
  if (e + 8 <= d) {
    weigh_columns<1>(out + e, w, v + e, ldv, n, add);
    e += 8;
  }
  if (e < d) {
    const __m256i tail = mask_of(d % 8);
    __m256 s = _mm256_setzero_ps();
    for (size_t j = 0; j < n; ++j) {
      s = _mm256_fmadd_ps(_mm256_set1_ps(w[j]), _mm256_maskload_ps(v + j * ldv + e, tail), s);
    }
    _mm256_maskstore_ps(out + e, tail, add ? _mm256_add_ps(_mm256_maskload_ps(out + e, tail), s) : s);
  }
}

extern "C" void attention_f32_avx2(const attention_f32_args* args) {
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
