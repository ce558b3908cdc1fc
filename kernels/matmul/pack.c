// Pack, for one format (FORMAT, whose header is FORMAT_HEADER) into its layout. Cold and portable: it loses nothing, the
// integers and scales are those of the file.
#include <string.h>

#include FORMAT_HEADER
#include "kernels/matmul/kernel.h"
#include "kernels/matmul/layout.h"

#define JOIN(a, b) a##b
#define DESCRIPTION(format) JOIN(format, _format)

matmul_pack_fn matmul_pack;

// 32 codes of one row, at its place in a block.
static void put_codes(uint8_t* to, const uint8_t* codes) {
  if (LAYOUT_BITS == 1) {  // bit i of four bytes at once
    uint32_t bits = 0;
    for (size_t i = 0; i < 8; ++i) {
      uint32_t four;
      memcpy(&four, codes + 4 * i, 4);
      bits |= four >> 1 << i;
    }
    memcpy(to, &bits, 4);
    return;
  }
  for (size_t c = 0; c < kBlock; ++c) {
    uint8_t* byte = to + c % 4;
    if (LAYOUT_BITS == 8 || c < 16) {
      byte[c / 4 * kStep] = codes[c];
    } else {
      byte[(c - 16) / 4 * kStep] |= (uint8_t)(codes[c] << 4);
    }
  }
}

size_t matmul_pack(void* packed, const void* w, size_t rows, size_t cols) {
  const struct weight_format* format = &DESCRIPTION(FORMAT);
  const size_t blocks = cols / kBlock;
  const size_t panels = (rows + kPanel - 1) / kPanel;
  const size_t row_bytes = cols / format->elements * format->bytes;
  uint8_t no_codes[kBlock];
  memset(no_codes, kZero, sizeof no_codes);
  for (size_t p = 0; packed != NULL && p < panels; ++p) {
    uint8_t* panel = (uint8_t*)packed + p * panel_bytes(blocks);
    uint8_t* scales = panel + blocks * kBlockCodes;
    memset(panel, 0, panel_bytes(blocks));
    for (size_t r = 0; r < kPanel; ++r) {
      const size_t row = p * kPanel + r;
      if (row >= rows) {
        for (size_t b = 0; b < blocks; ++b) {
          put_codes(panel + b * kBlockCodes + 4 * r, no_codes);
        }
        continue;
      }
      // A file's block may hold several of the layout's.
      const uint8_t* from = (const uint8_t*)w + row * row_bytes;
      for (size_t column = 0; column < cols; column += format->elements, from += format->bytes) {
        int8_t values[kMostElements];
        uint8_t codes[kMostElements];
        format->values(values, from);
        for (size_t c = 0; c < format->elements; ++c) {
          codes[c] = (uint8_t)(values[c] + kZero);
        }
        for (size_t c = 0; c < format->elements; c += kBlock) {
          const size_t b = (column + c) / kBlock;
          put_codes(panel + b * kBlockCodes + 4 * r, codes + c);
          memcpy(scales + b * kBlockScales + 2 * r, from + format->d_at, 2);
        }
      }
    }
  }
  return panels * panel_bytes(blocks);
}
