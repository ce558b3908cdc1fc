// How the K-quants and the IQ4 formats are written: a search for scales that leave the least sum of squared errors, as the codes are the
// nearest ones of any scales. Plain C, a few thousand products a block. The way is the usual one: the best scale of each group of weights
// alone, from a row of first guesses which a least-squares fit improves; those as integers of a scale of the block; then, which ggml does
// not do, integers beside them, and the scale of the block fitted to all its codes, as long as the error falls.
#pragma once
#include <string.h>

#include "kernels/formats/format.h"

/// What a format's codes and integer scales can be. A weight is d * scale * value - m * minimum.
struct search_range {
  size_t groups, n;     // weights in each
  const int8_t* table;  // of 16 values, in order; NULL: values are the integers of a range
  int least, most;      // of values
  int least_scale, most_scale;
  int has_minima;  // of 0 to most_scale
};

/// What a search finds.
struct search_result {
  float d, m;  // as fp16 holds them
  int scales[kMostGroups], minima[kMostGroups];
};

static inline int clamp_int(int x, int least, int most) { return x < least ? least : x > most ? most : x; }

/// The place of the nearest value of a table, of two as near the lower one's.
static inline int nearest_of_table(const int8_t* table, float x) {
  int place = 0;
  for (int step = 8; step > 0; step /= 2) {
    const int next = place + step;
    place = x > 0.5f * (float)(table[next - 1] + table[next]) ? next : place;
  }
  return place;
}

/// The nearest value to x / s, where `inverse` is 1 / s; a float, which it fits.
static inline float nearest_value(const struct search_range* r, float x, float inverse) {
  const float wanted = x * inverse;
  if (r->table) {
    return r->table[nearest_of_table(r->table, wanted)];
  }
  const float clamped = wanted < (float)r->least ? (float)r->least : wanted > (float)r->most ? (float)r->most : wanted;
  return (clamped + 0x1.8p23f) - 0x1.8p23f;  // the nearest integer
}

/// The squared error of a group with scale s and minimum m; s and m become what fits its codes best, with m >= 0, and 0 if there are no
/// minima.
static inline float error_and_fit(const struct search_range* r, const float* x, float* s, float* m) {
  const float inverse = inverse_of(*s);
  float error = 0, sum_v = 0, sum_vv = 0, sum_x = 0, sum_vx = 0;
  for (size_t i = 0; i < r->n; ++i) {
    const float v = nearest_value(r, x[i] + *m, inverse);
    const float e = x[i] + *m - *s * v;
    error += e * e;
    sum_v += v;
    sum_vv += v * v;
    sum_x += x[i];
    sum_vx += v * x[i];
  }
  // x = s v - m
  const float n = (float)r->n;
  const float det = n * sum_vv - sum_v * sum_v;
  *m = r->has_minima && det > 0 ? (sum_v * sum_vx - sum_vv * sum_x) / det : 0;
  *s = *m > 0 ? (n * sum_vx - sum_v * sum_x) / det : sum_vv > 0 ? sum_vx / sum_vv : 0;
  *m = *m > 0 ? *m : 0;
  return error;
}

/// The best real scale and minimum of a group.
static inline void search_group(const struct search_range* r, const float* x, float* best_s, float* best_m) {
  enum { kGuesses = 11, kFits = 3 };
  const struct value_range range = range_of(x, r->n);
  const float most = signed_most(x, r->n);
  float least = float_of_bits(0x7f800000);
  *best_s = 0;
  *best_m = 0;
  for (int guess = 0; guess < (r->has_minima ? kGuesses : 2 * kGuesses); ++guess) {
    // With minima the range becomes about all values. Without, the largest magnitude becomes about the one or the other end.
    const float off = 0.04f * (float)(guess % kGuesses - kGuesses / 2);
    float m = r->has_minima && range.least < 0 ? -range.least : 0;
    float s = r->has_minima ? (range.most + m) / ((float)r->most * (1 + off))
                            : most / ((float)(guess < kGuesses ? r->least : r->most) * (1 + 2 * off));
    for (int fit = 0; fit < kFits; ++fit) {
      const float tried_s = s, tried_m = m;
      const float error = error_and_fit(r, x, &s, &m);
      if (error < least) {
        least = error;
        *best_s = tried_s;
        *best_m = tried_m;
      }
    }
  }
}

/// x as fp16 holds it; 0 in *fits if it overflows.
static inline float as_half(float x, int* fits) {
  const uint16_t half = float_to_half(x);
  *fits &= (half & 0x7c00) != 0x7c00;
  return half_to_float(half);
}

/// The integers of a group with the block's scales: the best of those beside what they are. Returns the error.
static inline float search_integers(const struct search_range* r, const float* x, float d, float m, int* scale,
                                    int* minimum) {
  const int scale_now = *scale, minimum_now = *minimum;
  float least = float_of_bits(0x7f800000);
  for (int s = scale_now - 1; s <= scale_now + 1; ++s) {
    for (int n = minimum_now - r->has_minima; n <= minimum_now + r->has_minima; ++n) {
      if (s < r->least_scale || s > r->most_scale || n < 0 || n > r->most_scale) {
        continue;
      }
      float real = d * (float)s, offset = m * (float)n;
      const float error = error_and_fit(r, x, &real, &offset);
      if (error < least) {
        least = error;
        *scale = s;
        *minimum = n;
      }
    }
  }
  return least;
}

/// The block's two scales, fitted to x = d (scale value) - m minimum. 0: they overflow.
static inline int fit_block(const struct search_range* r, const float* x, struct search_result* now) {
  float aa = 0, ab = 0, bb = 0, ax = 0, bx = 0;
  for (size_t g = 0; g < r->groups; ++g) {
    const float minimum = now->m * (float)now->minima[g];
    const float inverse = inverse_of(now->d * (float)now->scales[g]);
    for (size_t i = 0; i < r->n; ++i) {
      const float value = x[g * r->n + i];
      const float a = (float)now->scales[g] * nearest_value(r, value + minimum, inverse);
      const float b = -(float)now->minima[g];
      aa += a * a;
      ab += a * b;
      bb += b * b;
      ax += a * value;
      bx += b * value;
    }
  }
  int fits = 1;
  const float det = aa * bb - ab * ab;
  if (r->has_minima && det > 0 && aa * bx - ab * ax > 0) {
    now->m = as_half((aa * bx - ab * ax) / det, &fits);
    now->d = as_half((bb * ax - ab * bx) / det, &fits);
  } else if (aa > 0) {
    now->d = as_half((ax - ab * now->m) / aa, &fits);
  }
  return fits;
}

/// Integers and fits in turn, as long as the error falls under *least.
static inline void improve(const struct search_range* r, const float* x, struct search_result now, float* least,
                           struct search_result* best) {
  enum { kRounds = 4 };
  float before = float_of_bits(0x7f800000);
  for (int round = 0; round < kRounds; ++round) {
    float error = 0;
    for (size_t g = 0; g < r->groups; ++g) {
      error += search_integers(r, x + g * r->n, now.d, now.m, &now.scales[g], &now.minima[g]);
    }
    if (error < *least) {
      *least = error;
      *best = now;
    }
    if (!(error < before) || !fit_block(r, x, &now)) {
      break;
    }
    before = error;
  }
}

/// The scale and minimum that make the range of a group that of the values; without minima the largest magnitude becomes the least.
static inline void plain_group(const struct search_range* r, const float* x, float* s, float* m) {
  const struct value_range range = range_of(x, r->n);
  *m = r->has_minima && range.least < 0 ? -range.least : 0;
  *s = r->has_minima ? (range.most + *m) / (float)r->most : signed_most(x, r->n) / (float)r->least;
}

/// The integers nearest to the groups' scales and minima where the largest are about the largest integers. 0: no fp16 holds the block's.
static inline int nearest_integers(const struct search_range* r, const float* s, const float* m, float factor,
                                   struct search_result* now) {
  float most_s = 0, most_m = 0;
  for (size_t g = 0; g < r->groups; ++g) {
    most_s = (s[g] < 0 ? -s[g] : s[g]) > (most_s < 0 ? -most_s : most_s) ? s[g] : most_s;
    most_m = m[g] > most_m ? m[g] : most_m;
  }
  // The scale of the largest magnitude becomes about the integer of the largest magnitude.
  const int end = r->least_scale < 0 ? r->least_scale : r->most_scale;
  int fits = 1;
  now->d = as_half(factor * most_s / (float)end, &fits);
  now->m = as_half(factor * most_m / (float)r->most_scale, &fits);
  for (size_t g = 0; g < r->groups && fits; ++g) {
    now->scales[g] = clamp_int(round_half_away(s[g] * inverse_of(now->d)), r->least_scale, r->most_scale);
    now->minima[g] = clamp_int(round_half_away(m[g] * inverse_of(now->m)), 0, r->most_scale);
  }
  return fits;
}

/// 0: no fp16 holds the scales.
static inline int search_block(const struct search_range* r, const float* x, struct search_result* best) {
  static const float kFactors[] = {1, 0.94f, 1.06f};
  float s[kMostGroups] = {0}, m[kMostGroups] = {0};
  float least = float_of_bits(0x7f800000);
  struct search_result now = {0, 0, {0}, {0}};
  // What is best for each group alone need not be for the block: the plain choice is a start as well.
  for (size_t g = 0; g < r->groups; ++g) {
    plain_group(r, x + g * r->n, &s[g], &m[g]);
  }
  if (nearest_integers(r, s, m, 1, &now)) {
    improve(r, x, now, &least, best);
  }
  for (size_t g = 0; g < r->groups; ++g) {
    search_group(r, x + g * r->n, &s[g], &m[g]);
  }
  for (size_t i = 0; i < sizeof kFactors / sizeof *kFactors; ++i) {
    if (nearest_integers(r, s, m, kFactors[i], &now)) {
      improve(r, x, now, &least, best);
    }
  }
  return least < float_of_bits(0x7f800000);
}

/// The scales of a block, and the nearest values with them. 0: there are NaN or Inf, or no fp16 holds the scales.
static inline int search_values(const struct search_range* r, const float* x, struct search_result* found,
                                int8_t* values) {
  const size_t n = r->groups * r->n;
  if (!are_finite(x, n) || !search_block(r, x, found)) {
    return 0;
  }
  for (size_t i = 0; i < n; ++i) {
    const size_t g = i / r->n;
    const float minimum = found->m * (float)found->minima[g];
    values[i] = (int8_t)nearest_value(r, x[i] + minimum, inverse_of(found->d * (float)found->scales[g]));
  }
  return 1;
}

/// The four lower bits of 256 values in 128 bytes, as Q4_K and Q5_K have them: of 64 weights those of the first 32 below.
static inline void write_nibbles(uint8_t* codes, const int8_t* values) {
  for (size_t i = 0; i < 128; ++i) {
    const int8_t* from = values + 64 * (i / 32) + i % 32;
    codes[i] = (uint8_t)((from[0] & 15) | from[32] << 4);
  }
}

/// What planes_of_two_bits reads.
static inline void write_planes_of_two_bits(uint8_t* codes, const int8_t* values, int zero) {
  for (size_t i = 0; i < 64; ++i) {
    unsigned byte = 0;
    for (size_t n = 0; n < 4; ++n) {
      byte |= (unsigned)((values[128 * (i / 32) + 32 * n + i % 32] + zero) & 3) << 2 * n;
    }
    codes[i] = (uint8_t)byte;
  }
}

/// What scales_of_six_bits reads.
static inline void write_scales_of_six_bits(uint8_t* packed, const int* scales, const int* minima) {
  for (size_t g = 0; g < 4; ++g) {
    packed[g] = (uint8_t)(scales[g] | scales[4 + g] >> 4 << 6);
    packed[4 + g] = (uint8_t)(minima[g] | minima[4 + g] >> 4 << 6);
    packed[8 + g] = (uint8_t)((scales[4 + g] & 15) | minima[4 + g] << 4);
  }
}

/// The 16 values that values_of_iq4 knows, in order.
static inline void make_iq4_table(int8_t* table) {
  static const uint8_t kCodes[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  int8_t values[32];
  values_of_iq4(values, kCodes);
  memcpy(table, values, 16);
}

/// The codes of 32 of them, as values_of_iq4 reads them.
static inline void write_iq4(uint8_t* codes, const int8_t* table, const int8_t* values) {
  for (size_t i = 0; i < 16; ++i) {
    codes[i] = (uint8_t)(nearest_of_table(table, values[i]) | nearest_of_table(table, values[16 + i]) << 4);
  }
}
