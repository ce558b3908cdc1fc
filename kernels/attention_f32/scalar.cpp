#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/attention_f32/kernel.h"
#include "kernels/shared/scalar.h"

extern "C" attention_f32_fn attention_f32_scalar;

namespace {

constexpr size_t kWide = 32;  // partial maxima and sums: the compiler (auto_v2 .. auto_v4) may keep them in vectors
constexpr size_t kKeys = 16;  // keys summed before they are added to out: running sums would grow the error with m
constexpr float kNegInf = -__builtin_inff();

// Halves with constant lengths, which the compiler adds as vectors; a loop over the lengths stays a
// loop.
inline float sum_of(float (&sums)[kWide]) {
  for (size_t j = 0; j < 16; ++j) {
    sums[j] += sums[j + 16];
  }
  for (size_t j = 0; j < 8; ++j) {
    sums[j] += sums[j + 8];
  }
  for (size_t j = 0; j < 4; ++j) {
    sums[j] += sums[j + 4];
  }
  return (sums[0] + sums[2]) + (sums[1] + sums[3]);
}

inline float dot(const float* x, const float* y, size_t n) {
  float sums[kWide] = {};
  size_t i = 0;
  for (; i + kWide <= n; i += kWide) {
    for (size_t j = 0; j < kWide; ++j) {
      sums[j] += x[i + j] * y[i + j];
    }
  }
  for (size_t j = 0; i < n; ++i, ++j) {
    sums[j] += x[i] * y[i];
  }
  return sum_of(sums);
}

inline void dots(float* out, const float* q, const float* k, size_t ldk, size_t n, float scale) {
  float sums[4][16] = {};
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (size_t r = 0; r < 4; ++r) {
      for (size_t j = 0; j < 16; ++j) {
        sums[r][j] += q[i + j] * k[r * ldk + i + j];
      }
    }
  }
  for (size_t j = 0; i < n; ++i, ++j) {
    for (size_t r = 0; r < 4; ++r) {
      sums[r][j] += q[i] * k[r * ldk + i];
    }
  }
  for (size_t r = 0; r < 4; ++r) {
    for (size_t j = 0; j < 8; ++j) {
      sums[r][j] += sums[r][j + 8];
    }
    for (size_t j = 0; j < 4; ++j) {
      sums[r][j] += sums[r][j + 4];
    }
    out[r] = scale * ((sums[r][0] + sums[r][2]) + (sums[r][1] + sums[r][3]));
  }
}

// In place: scores to weights.
inline void softmax(float* s, size_t n) {
  float maxima[kWide];
  for (size_t j = 0; j < kWide; ++j) {
    maxima[j] = kNegInf;
  }
  size_t i = 0;
  for (; i + kWide <= n; i += kWide) {
    for (size_t j = 0; j < kWide; ++j) {
      maxima[j] = s[i + j] > maxima[j] ? s[i + j] : maxima[j];  // passes over NaN, which the sum will meet
    }
  }
  for (size_t j = 0; i < n; ++i, ++j) {
    maxima[j] = s[i] > maxima[j] ? s[i] : maxima[j];
  }
  float max = kNegInf;
  for (size_t j = 0; j < kWide; ++j) {
    max = maxima[j] > max ? maxima[j] : max;
  }
  const bool masked = max == kNegInf;
  const float zero = masked ? 0.0f : max;
  float sums[kWide] = {};
  for (i = 0; i + kWide <= n; i += kWide) {
    for (size_t j = 0; j < kWide; ++j) {
      const float e = exp64(s[i + j] - zero);
      s[i + j] = e;
      sums[j] += e;
    }
  }
  for (size_t j = 0; i < n; ++i, ++j) {
    s[i] = exp64(s[i] - zero);
    sums[j] += s[i];
  }
  const float sum = sum_of(sums);
  const float reciprocal = masked ? 0.0f * sum : 1.0f / sum;  // 0 * sum is NaN if a score is
  for (i = 0; i < n; ++i) {
    s[i] *= reciprocal;
  }
}

// out = the sum of w[j] * v[j] over n rows, n <= kKeys, or added to what out holds.
inline void weigh(float* out, const float* w, const float* v, size_t ldv, size_t n, size_t d, bool add) {
  size_t e = 0;
  for (; e + kWide <= d; e += kWide) {
    float sums[kWide] = {};
    for (size_t j = 0; j < n; ++j) {
      for (size_t t = 0; t < kWide; ++t) {
        sums[t] += w[j] * v[j * ldv + e + t];
      }
    }
    for (size_t t = 0; t < kWide; ++t) {
      out[e + t] = add ? out[e + t] + sums[t] : sums[t];
    }
  }
  for (; e < d; ++e) {
    float sum = 0;
    for (size_t j = 0; j < n; ++j) {
      sum += w[j] * v[j * ldv + e];
    }
    out[e] = add ? out[e] + sum : sum;
  }
}

// ---- a tile of queries: they share each row of k and v, and the compiler may keep a query in each lane ----

constexpr size_t kTile = 32;  // queries; loops of 16 GCC 12 unrolls before it would vectorise them
constexpr size_t kFew = 15;   // queries that are faster one by one than in a tile

// The d columns of up to kTile queries; the last one stands in for those that are not there.
inline void transpose(float* columns, const float* q, size_t ldq, size_t n, size_t d) {
  for (size_t i = 0; i < kTile; ++i) {
    for (size_t e = 0; e < d; ++e) {
      columns[e * kTile + i] = q[(i < n ? i : n - 1) * ldq + e];
    }
  }
}

// The scores of kRows keys, kTile for each. A sum over d would have an error that grows with d: 16 products at a time
// are added to what is there.
template <size_t kRows>
inline void score_keys(float* s, const float* columns, const float* k, size_t ldk, size_t d, float scale) {
  for (size_t begin = 0; begin < d; begin += 16) {
    const size_t end = d - begin < 16 ? d : begin + 16;
    float sums[kRows][kTile] = {};
    for (size_t e = begin; e < end; ++e) {
      for (size_t r = 0; r < kRows; ++r) {
        for (size_t i = 0; i < kTile; ++i) {
          sums[r][i] += columns[e * kTile + i] * k[r * ldk + e];
        }
      }
    }
    const float factor = end == d ? scale : 1.0f;
    for (size_t r = 0; r < kRows; ++r) {
      for (size_t i = 0; i < kTile; ++i) {
        s[r * kTile + i] = factor * (begin > 0 ? s[r * kTile + i] + sums[r][i] : sums[r][i]);
      }
    }
  }
}

// In place: scores of m keys to weights. `common` keys are seen by all queries, one more by each after the first.
inline void softmax_of_tile(float* s, size_t m, size_t common) {
  for (size_t j = common; j < m; ++j) {
    for (size_t i = 0; i <= j - common; ++i) {
      s[j * kTile + i] = kNegInf;
    }
  }
  float zero[kTile];
  bool masked[kTile];
  for (size_t i = 0; i < kTile; ++i) {
    zero[i] = kNegInf;
  }
  for (size_t j = 0; j < m; ++j) {
    for (size_t i = 0; i < kTile; ++i) {
      zero[i] = s[j * kTile + i] > zero[i] ? s[j * kTile + i] : zero[i];  // passes over NaN, which the sum will meet
    }
  }
  for (size_t i = 0; i < kTile; ++i) {
    masked[i] = zero[i] == kNegInf;
    zero[i] = masked[i] ? 0.0f : zero[i];
  }
  float total[kTile] = {};
  for (size_t begin = 0; begin < m; begin += kKeys) {
    const size_t end = m - begin < kKeys ? m : begin + kKeys;
    float sums[kTile] = {};
    for (size_t j = begin; j < end; ++j) {
      for (size_t i = 0; i < kTile; ++i) {
        const float e = exp64(s[j * kTile + i] - zero[i]);  // e^-110 where it is not seen
        s[j * kTile + i] = e;
        sums[i] += e;
      }
    }
    for (size_t i = 0; i < kTile; ++i) {
      total[i] += sums[i];
    }
  }
  for (size_t i = 0; i < kTile; ++i) {
    total[i] = masked[i] ? 0.0f * total[i] : 1.0f / total[i];  // 0 * total is NaN if a score is
  }
  for (size_t j = 0; j < m; ++j) {
    for (size_t i = 0; i < kTile; ++i) {
      s[j * kTile + i] *= total[i];
    }
  }
}

// Rows of out of 2 queries = the sums of w * v over n keys, n <= kKeys, or added to what out holds.
inline void weigh_group(float* out, size_t ldo, const float* w, const float* v, size_t ldv, size_t n, size_t d,
                        bool add) {
  size_t e = 0;
  for (; e + 32 <= d; e += 32) {
    float sums[2][32] = {};
    for (size_t j = 0; j < n; ++j) {
      for (size_t i = 0; i < 2; ++i) {
        for (size_t t = 0; t < 32; ++t) {
          sums[i][t] += w[j * kTile + i] * v[j * ldv + e + t];
        }
      }
    }
    for (size_t i = 0; i < 2; ++i) {
      for (size_t t = 0; t < 32; ++t) {
        float& to = out[i * ldo + e + t];
        to = add ? to + sums[i][t] : sums[i][t];
      }
    }
  }
  for (; e < d; ++e) {
    for (size_t i = 0; i < 2; ++i) {
      float sum = 0;
      for (size_t j = 0; j < n; ++j) {
        sum += w[j * kTile + i] * v[j * ldv + e];
      }
      out[i * ldo + e] = add ? out[i * ldo + e] + sum : sum;
    }
  }
}

// Queries [first, first + n). Inlined, it costs a single query a quarter of its speed under GCC 12.
__attribute__((noinline)) void attend_tile(const attention_f32_args& a, size_t first, size_t n) {
  const size_t common = a.pos + first + 1;
  const size_t m = common + n - 1;
  float* columns = a.scratch;
  float* s = a.scratch + a.d * kTile;
  transpose(columns, a.q + first * a.ldq, a.ldq, n, a.d);
  size_t j = 0;
  for (; j + 2 <= m; j += 2) {
    score_keys<2>(s + j * kTile, columns, a.k + j * a.ldk, a.ldk, a.d, a.scale);
  }
  for (; j < m; ++j) {
    score_keys<1>(s + j * kTile, columns, a.k + j * a.ldk, a.ldk, a.d, a.scale);
  }
  softmax_of_tile(s, m, common);
  const auto weights = [&](float* to, size_t i, size_t key, size_t keys) {
    for (size_t r = 0; r < keys; ++r) {
      to[r] = s[(key + r) * kTile + i];
    }
  };
  float w[kKeys];
  for (j = 0; j < common; j += kKeys) {
    const size_t keys = common - j < kKeys ? common - j : kKeys;
    const float* v = a.v + j * a.ldv;
    size_t i = 0;
    for (; i + 2 <= n; i += 2) {
      weigh_group(a.out + (first + i) * a.ldo, a.ldo, s + j * kTile + i, v, a.ldv, keys, a.d, j > 0);
    }
    for (; i < n; ++i) {
      weights(w, i, j, keys);
      weigh(a.out + (first + i) * a.ldo, w, v, a.ldv, keys, a.d, j > 0);
    }
  }
  for (size_t i = 1; i < n; ++i) {
    for (j = 0; j < i; j += kKeys) {
      const size_t keys = i - j < kKeys ? i - j : kKeys;
      weights(w, i, common + j, keys);
      weigh(a.out + (first + i) * a.ldo, w, a.v + (common + j) * a.ldv, a.ldv, keys, a.d, true);
    }
  }
}

inline void attend_row(const attention_f32_args& a, size_t i) {
  const size_t m = a.pos + i + 1;
  const float* q = a.q + i * a.ldq;
  size_t j = 0;
  for (; j + 4 <= m; j += 4) {
    dots(a.scratch + j, q, a.k + j * a.ldk, a.ldk, a.d, a.scale);
  }
  for (; j < m; ++j) {
    a.scratch[j] = a.scale * dot(q, a.k + j * a.ldk, a.d);
  }
  softmax(a.scratch, m);
  for (j = 0; j < m; j += kKeys) {
    const size_t n = m - j < kKeys ? m - j : kKeys;
    weigh(a.out + i * a.ldo, a.scratch + j, a.v + j * a.ldv, a.ldv, n, a.d, j > 0);
  }
}

}  // namespace

extern "C" void attention_f32_scalar(const attention_f32_args* args) {
  const attention_f32_args a = *args;
  for (size_t i = 0; i < a.n_q;) {
    const size_t left = a.n_q - i;
    if (left > kFew) {
      const size_t n = left < kTile ? left : kTile;
      attend_tile(a, i, n);
      i += n;
    } else {
      attend_row(a, i);
      ++i;
    }
  }
}
