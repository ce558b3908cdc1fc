// The loops of the family, for any ISA of intrinsics. An ISA's file has a struct V of its vectors,
//   Float, kLanes, kRows      kRows: rows whose scores, or totals, are in registers at once
//   set1, load, store, add, mul, fmadd, max, exp64; sum and largest of the lanes
//   convert(p), convert(p, scale)   kLanes elements of a cache as floats: fp16, or int8 times the scale
//   sums(s)                   of each of four vectors the sum of its lanes, as __m128
// and calls attend<V>. What the steps are says work.h.
#pragma once
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "kernels/attention/work.h"
#include "kernels/formats/format.h"

namespace {

constexpr float kNegInf = -__builtin_inff();

/// The rows of a chunk: of `queries` queries from the first on, `group` each.
struct Chunk {
  const attention_args* a;
  size_t first;
  size_t rows;
  size_t width;  // floats of a row of block, q and totals
  size_t apart;  // floats from a row of scores to the next
  range keys;    // that any of the rows sees
  float *block, *q, *totals, *scores;

  size_t query_of(size_t row) const { return first + row / a->group; }
  // The scores are kept from `keys.from` on.
  float* scores_of(size_t row, size_t key) const { return scores + row * apart + (key - keys.from); }
};

/// A row of the cache as floats, and zeros behind them.
template <class V>
inline void convert_row(float* to, const uint8_t* from, size_t d, [[maybe_unused]] size_t width) {
#ifdef LAYOUT_f16
  size_t e = 0;
  for (; e + V::kLanes <= d; e += V::kLanes) {
    V::store(to + e, V::convert(from + 2 * e));
  }
  if (e < d) {
    uint8_t rest[2 * V::kLanes] = {0};
    memcpy(rest, from + 2 * e, 2 * (d - e));
    V::store(to + e, V::convert(rest));
    e += V::kLanes;
  }
  for (; e < width; e += V::kLanes) {
    V::store(to + e, V::set1(0));
  }
#else
  for (size_t e = 0; e < d; e += 32, from += 34) {
    const auto scale = V::set1(half_to_float(read_u16(from)));
#pragma GCC unroll 8
    for (size_t i = 0; i < 32; i += V::kLanes) {
      V::store(to + e + i, V::convert(from + 2 + i, scale));
    }
  }
#endif
}

/// A block's keys or values as floats.
template <class V>
inline void convert_block(const Chunk& c, const void* rows, size_t apart, size_t key, size_t count) {
  const uint8_t* from = static_cast<const uint8_t*>(rows) + key * apart;
  for (size_t j = 0; j < count; ++j) {
    convert_row<V>(c.block + j * c.width, from + j * apart, c.a->d, c.width);
  }
}

/// Scores of R rows with four keys at a time; as many more as fill the last four are written, and are nothing.
template <class V, size_t R>
void score(const Chunk& c, size_t row, size_t key, size_t count) {
  constexpr size_t kSums = 8 > V::kLanes ? 8 / V::kLanes : 1;  // vectors of partial sums of a score
  const float* q = c.q + row * c.width;
  const __m128 scale = _mm_set1_ps(c.a->scale);
  for (size_t j = 0; j < count; j += 4) {
    const float* k = c.block + j * c.width;
    typename V::Float sums[kSums][R][4];
#pragma GCC unroll 64
    for (size_t i = 0; i < kSums * R * 4; ++i) {
      sums[i / 4 / R][i / 4 % R][i % 4] = V::set1(0);
    }
    for (size_t e = 0; e < c.width; e += kSums * V::kLanes) {
#pragma GCC unroll 2
      for (size_t s = 0; s < kSums; ++s) {
        const size_t at = e + s * V::kLanes;
        typename V::Float x[R];
#pragma GCC unroll 8
        for (size_t r = 0; r < R; ++r) {
          x[r] = V::load(q + r * c.width + at);
        }
#pragma GCC unroll 4
        for (size_t t = 0; t < 4; ++t) {
          const typename V::Float y = V::load(k + t * c.width + at);
#pragma GCC unroll 8
          for (size_t r = 0; r < R; ++r) {
            sums[s][r][t] = V::fmadd(x[r], y, sums[s][r][t]);
          }
        }
      }
    }
#pragma GCC unroll 8
    for (size_t r = 0; r < R; ++r) {
      if constexpr (kSums == 2) {
#pragma GCC unroll 4
        for (size_t t = 0; t < 4; ++t) {
          sums[0][r][t] = V::add(sums[0][r][t], sums[1][r][t]);
        }
      }
      _mm_storeu_ps(c.scores_of(row + r, key + j), _mm_mul_ps(scale, V::sums(sums[0][r])));
    }
  }
}

/// A row's scores become exponentials, 2^64 times as large; returns what the weighed sum is to be multiplied by. What fills the last
/// four vectors is as good as 0.
template <class V>
float exponentials(const Chunk& c, size_t row) {
  const range keys = visible(c.a, c.query_of(row));
  const size_t n = keys.to - keys.from;
  float* s = c.scores_of(row, keys.from);
  float largest = kNegInf;
  float sum = 0;
  if (n != 0) {
    if (c.a->softcap != 0) {
      const auto cap = softcap(c.a->softcap);
      for (size_t i = 0; i < n; i += V::kLanes) {
        V::store(s + i, cap(V::load(s + i)));
      }
    }
    for (size_t i = 0; i < 4 * V::kLanes; i += V::kLanes) {
      V::store(s + n + i, V::set1(kNegInf));
    }
    auto most = V::set1(kNegInf);
    for (size_t i = 0; i < n; i += V::kLanes) {
      most = V::max(V::load(s + i), most);  // in this order a NaN is passed over: the sum will meet it
    }
    largest = V::largest(most);
    const auto zero = V::set1(largest == kNegInf ? 0 : -largest);
    typename V::Float sums[4];
#pragma GCC unroll 4
    for (size_t t = 0; t < 4; ++t) {
      sums[t] = V::set1(0);
    }
    for (size_t i = 0; i < n; i += 4 * V::kLanes) {
#pragma GCC unroll 4
      for (size_t t = 0; t < 4; ++t) {
        float* at = s + i + t * V::kLanes;
        const auto e = V::exp64(V::add(V::load(at), zero));
        V::store(at, e);
        sums[t] = V::add(sums[t], e);
      }
    }
    sum = V::sum(V::add(V::add(sums[0], sums[1]), V::add(sums[2], sums[3])));
  }
  const bool none = largest == kNegInf && sum == sum;
  if (c.a->stats != NULL) {
    float* stats = c.a->stats + 2 * (c.first * c.a->group + row);
    stats[0] = largest;
    stats[1] = none ? 0 : sum * 0x1p-64f;
  }
  return none ? 0 : 1 / sum;
}

/// Adds values to the totals of R rows, each weighed by the row's exponential: E vectors of a block's keys, from the same key on and of each
/// row up to its own, the first row's being the least. The terms of a row's sum are in the order of the keys.
template <class V, size_t R, size_t E>
inline void weigh_vectors(const Chunk& c, size_t row, size_t key, size_t from, const size_t (&to)[R], size_t e) {
  typename V::Float sums[R][E];
#pragma GCC unroll 32
  for (size_t i = 0; i < R * E; ++i) {
    sums[i / E][i % E] = V::set1(0);
  }
  for (size_t j = from; j < to[0]; ++j) {
    const float* v = c.block + (j - key) * c.width + e;
    typename V::Float values[E];
#pragma GCC unroll 4
    for (size_t i = 0; i < E; ++i) {
      values[i] = V::load(v + i * V::kLanes);
    }
#pragma GCC unroll 8
    for (size_t r = 0; r < R; ++r) {
      const auto weight = V::set1(*c.scores_of(row + r, j));
#pragma GCC unroll 4
      for (size_t i = 0; i < E; ++i) {
        sums[r][i] = V::fmadd(weight, values[i], sums[r][i]);
      }
    }
  }
#pragma GCC unroll 8
  for (size_t r = 1; r < R; ++r) {
    for (size_t j = to[0]; j < to[r]; ++j) {
      const float* v = c.block + (j - key) * c.width + e;
      const auto weight = V::set1(*c.scores_of(row + r, j));
#pragma GCC unroll 4
      for (size_t i = 0; i < E; ++i) {
        sums[r][i] = V::fmadd(weight, V::load(v + i * V::kLanes), sums[r][i]);
      }
    }
  }
#pragma GCC unroll 8
  for (size_t r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (size_t i = 0; i < E; ++i) {
      float* total = c.totals + (row + r) * c.width + e + i * V::kLanes;
      V::store(total, V::add(V::load(total), sums[r][i]));
    }
  }
}

template <class V, size_t R>
void weigh(const Chunk& c, size_t row, size_t key, size_t from, const size_t (&to)[R]) {
  if (from >= to[R - 1]) {
    return;
  }
  constexpr size_t kWide = 4 * V::kLanes;
  size_t e = 0;
  for (; e + kWide <= c.width; e += kWide) {
    weigh_vectors<V, R, 4>(c, row, key, from, to, e);
  }
  for (; e < c.width; e += V::kLanes) {
    weigh_vectors<V, R, 1>(c, row, key, from, to, e);
  }
}

/// R rows and a block's keys: together unless a window begins elsewhere for some of them.
template <class V, size_t R>
void weigh_seen(const Chunk& c, size_t row, size_t key, size_t count) {
  range seen[R];
  size_t to[R];
  for (size_t r = 0; r < R; ++r) {
    seen[r] = visible_of(c.a, c.query_of(row + r), key, count);
    to[r] = seen[r].to;
  }
  if (seen[0].from == seen[R - 1].from) {  // later queries see no keys before
    weigh<V, R>(c, row, key, seen[0].from, to);
  } else {
    for (size_t r = 0; r < R; ++r) {
      weigh<V, 1>(c, row + r, key, seen[r].from, {seen[r].to});
    }
  }
}

// f<R>(row) for tiles of at most kMost rows, of about the same size.
template <size_t kMost, class F>
inline void call_tile(size_t rows, size_t row, F f) {
  if (rows == kMost) {
    f.template operator()<kMost>(row);
  } else if constexpr (kMost > 1) {
    call_tile<kMost - 1>(rows, row, f);
  }
}
template <size_t kMost, class F>
inline void for_tiles(size_t rows, F f) {
  size_t row = 0;
  for (size_t left = (rows + kMost - 1) / kMost; left > 0; --left) {
    const size_t tile = (rows - row + left - 1) / left;
    call_tile<kMost>(tile, row, f);
    row += tile;
  }
}

template <class V>
void attend_chunk(const Chunk& c) {
  const attention_args* a = c.a;
  for (size_t row = 0; row < c.rows; ++row) {
    const float* q = a->q + c.query_of(row) * a->ldq + row % a->group * a->d;
    memset(c.q + row * c.width, 0, c.width * sizeof(float));
    memcpy(c.q + row * c.width, q, a->d * sizeof(float));
    memset(c.totals + row * c.width, 0, c.width * sizeof(float));
  }
  for (size_t key = c.keys.from, count; key < c.keys.to; key += count) {
    count = keys_of_block(key, c.keys.to);
    convert_block<V>(c, a->k, a->ldk, key, count);
    for_tiles<V::kRows>(c.rows, [&]<size_t R>(size_t row) { score<V, R>(c, row, key, count); });
  }
  float factors[kMostGroup];
  for (size_t row = 0; row < c.rows; ++row) {
    factors[row] = exponentials<V>(c, row);
  }
  for (size_t key = c.keys.from, count; key < c.keys.to; key += count) {
    count = keys_of_block(key, c.keys.to);
    convert_block<V>(c, a->v, a->ldv, key, count);
    for_tiles<V::kRows>(c.rows, [&]<size_t R>(size_t row) { weigh_seen<V, R>(c, row, key, count); });
  }
  for (size_t row = 0; row < c.rows; ++row) {
    float* total = c.totals + row * c.width;
    for (size_t e = 0; e < c.width; e += V::kLanes) {
      V::store(total + e, V::mul(V::load(total + e), V::set1(factors[row])));
    }
    memcpy(a->out + c.query_of(row) * a->ldo + row % a->group * a->d, total, a->d * sizeof(float));
  }
}

template <class V>
void attend(const attention_args* a) {
  const size_t at_once = queries_at_once(a->group);
  const size_t rows = (a->n_q < at_once ? a->n_q : at_once) * a->group;
  Chunk c;
  c.a = a;
  c.width = padded(a->d);
  c.apart = score_row(a->pos + a->n_q);
  c.block = static_cast<float*>(a->scratch);
  c.q = c.block + kBlock * c.width;
  c.totals = c.q + rows * c.width;
  c.scores = c.totals + rows * c.width;
  for (c.first = 0; c.first < a->n_q; c.first += at_once) {
    const size_t queries = a->n_q - c.first < at_once ? a->n_q - c.first : at_once;
    c.rows = queries * a->group;
    c.keys = {visible(a, c.first).from, visible(a, c.first + queries - 1).to};
    attend_chunk<V>(c);
  }
}

}  // namespace
