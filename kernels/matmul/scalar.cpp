#include <stdint.h>
#include <string.h>

#include "kernels/formats/format.h"
#include "kernels/matmul/kernel.h"
#include "kernels/matmul/layout.h"

extern "C" matmul_fn matmul_scalar;

// The innermost loops run over neighbours in memory, so that the compiler (auto_v2 .. auto_v4) can keep them in the lanes of vectors:
// the 64 bytes of a step, with the activations repeated for each row, and the four sums of a row meet once a block; or, of the
// layout of one bit, the rows, whose bits are words as their sums are.
namespace {

#if LAYOUT_BITS == 1
/// The sum of the activations whose bits are set in two bytes of a row, where x[0] is that of the lowest bit. It fits an int16.
inline uint16_t masked_sum(uint16_t bits, const uint16_t* x) {
  uint16_t sum = 0;
#pragma GCC unroll 16
  for (int bit = 0; bit < 16; ++bit) {
    const uint16_t value = x[4 * (bit % 8) + bit / 8];  // loaded whatever the bit: a select, no branch
    sum = static_cast<uint16_t>(sum + ((bits & (1 << bit)) != 0 ? value : 0));
  }
  return sum;
}

/// The integers of one block, one for each row, without its start: a panel's codes times 32 activations, that is twice the
/// activations whose bits are set.
inline void add_products(int32_t* sums, const uint8_t* codes, const int8_t* x) {
  uint16_t words[kBlock];
  for (size_t i = 0; i < kBlock; ++i) {
    words[i] = static_cast<uint16_t>(x[i]);
  }
  uint16_t bits[2][kPanel];
  for (size_t r = 0; r < kPanel; ++r) {
    bits[0][r] = read_u16(codes + 4 * r);
    bits[1][r] = read_u16(codes + 4 * r + 2);
  }
  uint16_t set[kPanel];
  for (size_t r = 0; r < kPanel; ++r) {
    set[r] = static_cast<uint16_t>(masked_sum(bits[0][r], words) + masked_sum(bits[1][r], words + 2));
  }
  for (size_t r = 0; r < kPanel; ++r) {
    sums[r] += 2 * static_cast<int16_t>(set[r]);
  }
}
#else
/// The integers of one block, one for each row, without its start: a panel's codes times 32 activations.
inline void add_products(int32_t* sums, const uint8_t* codes, const int8_t* x) {
  int32_t products[kStep] = {};
  for (size_t step = 0; step < kSteps; ++step, codes += kStep) {
    int8_t first[kStep];
    int8_t second[kStep];
    for (size_t r = 0; r < kPanel; ++r) {
      memcpy(first + 4 * r, x + 4 * step, 4);
      memcpy(second + 4 * r, x + (16 + 4 * step) % kBlock, 4);
    }
    for (size_t i = 0; i < kStep; ++i) {
      if (LAYOUT_BITS == 8) {
        products[i] += codes[i] * first[i];
      } else {
        products[i] += (codes[i] & 15) * first[i] + (codes[i] >> 4) * second[i];
      }
    }
  }
  for (size_t r = 0; r < kPanel; ++r) {
    sums[r] += products[4 * r] + products[4 * r + 1] + products[4 * r + 2] + products[4 * r + 3];
  }
}
#endif

/// One panel times one token: 16 floats.
void panel_times_token(float* y, const uint8_t* panel, const uint8_t* x, size_t blocks) {
  const uint8_t* scales = panel + blocks * kBlockCodes;
  memset(y, 0, kPanel * sizeof(float));
  for (size_t b = 0; b < blocks; ++b, x += kXBytes) {
    int8_t activations[kBlock];
    memcpy(activations, x + 2, kBlock);
    int32_t start = 0;
    for (size_t i = 0; i < kBlock; ++i) {
      start -= kZero * activations[i];
    }
    int32_t sums[kPanel];
    for (size_t r = 0; r < kPanel; ++r) {
      sums[r] = start;
    }
    add_products(sums, panel + b * kBlockCodes, activations);
    const float d = half_to_float(read_u16(x));
    for (size_t r = 0; r < kPanel; ++r) {
      y[r] += static_cast<float>(sums[r]) * (d * half_to_float(read_u16(scales + b * kBlockScales + 2 * r)));
    }
  }
}

}  // namespace

extern "C" void matmul_scalar(const struct matmul_args* a) {
  const size_t blocks = a->cols / kBlock;
  for (size_t row = a->row_begin; row < a->row_end; row += kPanel) {
    const uint8_t* panel = static_cast<const uint8_t*>(a->packed) + row / kPanel * panel_bytes(blocks);
    const size_t rows = a->row_end - row < kPanel ? a->row_end - row : size_t{kPanel};
    for (size_t t = 0; t < a->tokens; ++t) {
      float sums[kPanel];
      panel_times_token(sums, panel, static_cast<const uint8_t*>(a->x) + t * blocks * kXBytes, blocks);
      float* y = a->y + t * a->ldy + row;
      for (size_t r = 0; r < rows; ++r) {
        y[r] = a->bias != NULL ? sums[r] + a->bias[row + r] : sums[r];
      }
    }
  }
}
