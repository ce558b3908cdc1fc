// What the variants share of a row of I8_S.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
  kLeast = 0x3727c5ac,    // the bits of 1e-5f: magnitudes are ordered as their bits are
  kNoScale = 0x7fc00000,  // NaN
  kHead = 8,              // bytes before the codes
};

static inline void write_head(uint8_t* row, float d, int32_t sum) {
  memcpy(row, &d, sizeof d);
  memcpy(row + 4, &sum, sizeof sum);
}

/// Of n values that are not all finite.
static inline void write_no_row(uint8_t* row, size_t n) {
  const int32_t d = kNoScale;
  memcpy(row, &d, sizeof d);
  memset(row + 4, 0, 4 + n);
}
