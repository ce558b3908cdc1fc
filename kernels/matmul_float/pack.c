// Pack, for one format (FORMAT) that is its own layout: the weights stay as they are in the file, their order changes.
#include <string.h>

#include "kernels/matmul_float/kernel.h"
#include "kernels/matmul_float/layout.h"

matmul_pack_fn matmul_float_pack;

size_t matmul_float_pack(void* packed, const void* w, size_t rows, size_t cols) {
  if (packed != NULL) {
    weight* to = (weight*)packed;
    for (size_t row = 0; row < packed_rows(rows); row += kPanel) {
      const size_t width = panel_rows(rows, row);
      const size_t here = rows - row < width ? rows - row : width;
      // Some columns at a time, so that the cache lines of both stay.
      for (size_t column = 0; column < cols; column += 16, to += 16 * width) {
        const size_t count = cols - column < 16 ? cols - column : 16;
        for (size_t r = 0; r < width; ++r) {
          weight some[16] = {0};
          if (r < here) {
            memcpy(some, (const uint8_t*)w + ((row + r) * cols + column) * sizeof(weight), count * sizeof(weight));
          }
          for (size_t c = 0; c < count; ++c) {
            to[c * width + r] = some[c];
          }
        }
        if (count < 16) {
          to -= (16 - count) * width;
        }
      }
    }
  }
  return packed_rows(rows) * cols * sizeof(weight);
}
