#include <stdint.h>
#include <string.h>

#include "kernels/formats/format.h"
#include "kernels/matmul/kernel.h"
#include "kernels/matmul/layout.h"

extern "C" matmul_fn matmul_scalar;

// Rows in the innermost loops, so that the compiler (auto_v2 .. auto_v4) can keep a panel's in the lanes of vectors and needs
// no horizontal sums.
namespace {

/// The integers of one block: the products of a panel's 16 rows with 32 activations.
inline void add_products(int32_t* sums, const uint8_t* codes, const int8_t* x) {
  for (size_t step = 0; step < kSteps; ++step, codes += kStep) {
    for (size_t k = 0; k < 4; ++k) {
      if (LAYOUT_BITS == 8) {
        const int32_t factor = x[4 * step + k];
        for (size_t r = 0; r < kPanel; ++r) {
          sums[r] += codes[4 * r + k] * factor;
        }
      } else {
        const int32_t low = x[4 * step + k];
        const int32_t high = x[16 + 4 * step + k];
        for (size_t r = 0; r < kPanel; ++r) {
          sums[r] += (codes[4 * r + k] & 15) * low + (codes[4 * r + k] >> 4) * high;
        }
      }
    }
  }
}

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
