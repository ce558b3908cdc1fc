// How all variants divide the work. Rows, a query's heads one after the other, are done some 32 at a time, keys in blocks of 32, which end at
// multiples of 32, wherever the first begins: a row's sums are then the same whatever other rows are done with it. Of each block
// the keys are made floats once for all rows, and give scores; when a row has its scores, they become exponentials; and then the blocks'
// values are made floats and added to the totals with those as weights.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "kernels/attention/kernel.h"

enum {
  kRowsAtOnce = 32,
  kMostGroup = 64,
  kBlock = 32,  // keys
  kPad = 16,    // floats: rows in scratch are whole vectors of any ISA
};

static inline size_t padded(size_t n) { return (n + kPad - 1) / kPad * kPad; }

// Queries that are done at once.
static inline size_t queries_at_once(size_t group) { return group < kRowsAtOnce ? kRowsAtOnce / group : 1; }

// Floats from a row's scores to the next: those of all keys, and behind them room for what is written past them in whole vectors.
static inline size_t score_row(size_t keys) { return padded(keys) + 2 * kBlock; }

static inline size_t scratch_floats(size_t n_q, size_t pos, size_t d, size_t group) {
  const size_t most = queries_at_once(group);
  const size_t rows = (n_q < most ? n_q : most) * group;
  return kBlock * padded(d) + rows * (2 * padded(d) + score_row(pos + n_q));
}

struct range {
  size_t from, to;
};

// Keys of the block that begins with `key`, if those before `to` are wanted.
static inline size_t keys_of_block(size_t key, size_t to) {
  const size_t count = kBlock - key % kBlock;
  return to - key < count ? to - key : count;
}

// The keys that query i sees.
static inline struct range visible(const struct attention_args* a, size_t i) {
  const size_t seen = a->pos + i + 1;
  const size_t first = a->window != 0 && seen > a->window ? seen - a->window : 0;
  struct range keys = {first > a->key_begin ? first : a->key_begin, seen < a->key_end ? seen : a->key_end};
  keys.from = keys.from < keys.to ? keys.from : keys.to;
  return keys;
}

// Those of the `count` keys from `key` on that query i sees.
static inline struct range visible_of(const struct attention_args* a, size_t i, size_t key, size_t count) {
  struct range keys = visible(a, i);
  keys.from = keys.from < key ? key : keys.from > key + count ? key + count : keys.from;
  keys.to = keys.to < key ? key : keys.to > key + count ? key + count : keys.to;
  return keys;
}
