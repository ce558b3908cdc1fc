#include <string.h>

#include "kernels/attention/work.h"
#include "kernels/formats/format.h"
#include "kernels/shared/scalar.h"
#include "kernels/shared/scalar_activations.h"

extern "C" attention_fn attention_scalar;

namespace {

constexpr size_t kSums = 16;  // partial sums: the compiler (auto_v2 .. auto_v4) may keep them in vectors
constexpr float kNegInf = -__builtin_inff();

/// A row of the cache as floats, and zeros behind them.
void convert_row(float* to, const uint8_t* from, size_t d) {
#ifdef LAYOUT_f16
  for (size_t e = 0; e < d; ++e) {
    to[e] = half_to_float(read_u16(from + 2 * e));
  }
#else
  for (size_t e = 0; e < d; e += 32, from += 34) {
    const float scale = half_to_float(read_u16(from));
    for (size_t i = 0; i < 32; ++i) {
      to[e + i] = static_cast<float>(static_cast<int8_t>(from[2 + i])) * scale;
    }
  }
#endif
  for (size_t e = d; e < padded(d); ++e) {
    to[e] = 0;
  }
}

void convert_block(float* block, const void* rows, size_t apart, size_t key, size_t count, size_t d) {
  const uint8_t* from = static_cast<const uint8_t*>(rows) + key * apart;
  for (size_t j = 0; j < count; ++j) {
    convert_row(block + j * padded(d), from + j * apart, d);
  }
}

inline float add_up(float (&sums)[kSums]) {
  for (size_t half = kSums / 2; half > 0; half /= 2) {
    for (size_t j = 0; j < half; ++j) {
      sums[j] += sums[j + half];
    }
  }
  return sums[0];
}

/// n is a multiple of kPad.
float dot(const float* x, const float* y, size_t n) {
  float sums[kSums] = {};
  for (size_t i = 0; i < n; i += kSums) {
    for (size_t j = 0; j < kSums; ++j) {
      sums[j] += x[i + j] * y[i + j];
    }
  }
  return add_up(sums);
}

/// In place: scores to exponentials, 2^64 times as large. Returns what the weighed sum is to be multiplied by.
float exponentials(float* s, size_t n, float cap, float* stats) {
  if (cap != 0) {
    const double k = slope_of_softcap(cap);
    for (size_t j = 0; j < n; ++j) {
      s[j] = softcap(s[j], cap, k);
    }
  }
  float largest = kNegInf;
  for (size_t j = 0; j < n; ++j) {
    largest = s[j] > largest ? s[j] : largest;  // passes over NaN, which the sum will meet
  }
  const float zero = largest == kNegInf ? 0.0f : largest;
  float sums[kSums] = {};
  size_t j = 0;
  for (; j + kSums <= n; j += kSums) {
    for (size_t t = 0; t < kSums; ++t) {
      s[j + t] = exp64(s[j + t] - zero);
      sums[t] += s[j + t];
    }
  }
  for (size_t t = 0; j < n; ++j, ++t) {
    s[j] = exp64(s[j] - zero);
    sums[t] += s[j];
  }
  const float sum = add_up(sums);
  const bool none = largest == kNegInf && sum == sum;
  if (stats != NULL) {
    stats[0] = largest;
    stats[1] = none ? 0 : sum * 0x1p-64f;
  }
  return none ? 0 : 1 / sum;
}

/// Adds n values to the totals, each weighed.
void weigh(float* totals, const float* weights, const float* values, size_t n, size_t width) {
  for (size_t e = 0; e < width; e += kSums) {
    float sums[kSums] = {};
    for (size_t j = 0; j < n; ++j) {
      for (size_t t = 0; t < kSums; ++t) {
        sums[t] += weights[j] * values[j * width + e + t];
      }
    }
    for (size_t t = 0; t < kSums; ++t) {
      totals[e + t] += sums[t];
    }
  }
}

/// `queries` queries from the first on.
void attend(const attention_args* a, size_t first, size_t queries) {
  const size_t width = padded(a->d);
  const size_t rows = queries * a->group;
  const size_t apart = score_row(a->pos + a->n_q);
  float* block = static_cast<float*>(a->scratch);
  float* q = block + kBlock * width;
  float* totals = q + rows * width;
  float* scores = totals + rows * width;
  const range keys = {visible(a, first).from, visible(a, first + queries - 1).to};
  const auto query_of = [&](size_t row) { return first + row / a->group; };
  for (size_t row = 0; row < rows; ++row) {
    const float* from = a->q + query_of(row) * a->ldq + row % a->group * a->d;
    for (size_t e = 0; e < width; ++e) {
      q[row * width + e] = e < a->d ? from[e] : 0;
      totals[row * width + e] = 0;
    }
  }
  for (size_t key = keys.from, count; key < keys.to; key += count) {
    count = keys_of_block(key, keys.to);
    convert_block(block, a->k, a->ldk, key, count, a->d);
    for (size_t row = 0; row < rows; ++row) {
      const range part = visible_of(a, query_of(row), key, count);
      for (size_t j = part.from; j < part.to; ++j) {
        scores[row * apart + j - keys.from] = a->scale * dot(q + row * width, block + (j - key) * width, width);
      }
    }
  }
  float factors[kMostGroup];
  for (size_t row = 0; row < rows; ++row) {
    const range seen = visible(a, query_of(row));
    float* stats = a->stats != NULL ? a->stats + 2 * (first * a->group + row) : NULL;
    factors[row] = exponentials(scores + row * apart + (seen.from - keys.from), seen.to - seen.from, a->softcap, stats);
  }
  for (size_t key = keys.from, count; key < keys.to; key += count) {
    count = keys_of_block(key, keys.to);
    convert_block(block, a->v, a->ldv, key, count, a->d);
    for (size_t row = 0; row < rows; ++row) {
      const range part = visible_of(a, query_of(row), key, count);
      if (part.from < part.to) {
        weigh(totals + row * width, scores + row * apart + (part.from - keys.from), block + (part.from - key) * width,
              part.to - part.from, width);
      }
    }
  }
  for (size_t row = 0; row < rows; ++row) {
    float* out = a->out + query_of(row) * a->ldo + row % a->group * a->d;
    for (size_t e = 0; e < a->d; ++e) {
      out[e] = totals[row * width + e] * factors[row];
    }
  }
}

}  // namespace

extern "C" void attention_scalar(const attention_args* a) {
  const size_t at_once = queries_at_once(a->group);
  for (size_t first = 0; first < a->n_q; first += at_once) {
    attend(a, first, a->n_q - first < at_once ? a->n_q - first : at_once);
  }
}
