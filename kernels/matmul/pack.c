// Pack, for one format (FORMAT, whose header is FORMAT_HEADER) into its layout. Cold and portable: it loses nothing, the
// integers and scales are those of the file.
#include <string.h>

#include FORMAT_HEADER
#include "kernels/matmul/kernel.h"
#include "kernels/matmul/layout.h"

#define JOIN(a, b) a##b
#define DESCRIPTION(format) JOIN(format, _format)

matmul_pack_fn matmul_pack;

#if LAYOUT_TRITS
// The codes of a block of one row.
static void put_codes(uint8_t* to, const uint8_t* codes) {
  for (size_t v = 0; v < kTritVectors; ++v) {
    for (size_t k = 0; k < kGroup; ++k) {
      unsigned number = 0;
      for (size_t n = 0; n < kTritGroups; ++n) {
        const size_t group = kTritGroups * v + n;
        number = 3 * number + (group < kColumns / kGroup ? codes[kGroup * group + k] : 0);
      }
      to[v * kVector + k] = (uint8_t)((number * 256 + 242) / 243);  // rounded up, so that no digit is one too low
    }
  }
}
#else
// `bits` bits, from the lowest or from number `from` on, of the codes of 32 columns of one row, to its place in their vectors.
static inline void put_bits(uint8_t* to, const uint8_t* codes, size_t bits, size_t from) {
  const size_t groups = 8 / bits;  // of a vector
  const uint32_t mask = ((1u << bits) - 1) * 0x01010101u;
  for (size_t v = 0; v < bits; ++v, to += kVector, codes += groups * kGroup) {
    uint32_t four = 0;
    for (size_t n = groups; n-- > 0;) {
      four = four << bits | (read_u32(codes + n * kGroup) >> from & mask);
    }
    write_u32(to, four);
  }
}

// The codes of a block of one row.
static void put_codes(uint8_t* to, const uint8_t* codes) {
  for (size_t c = 0; c < kColumns; c += kChunk, to += kChunkBytes, codes += kChunk) {
#ifdef LAYOUT_u1
    put_bits(to, codes, 1, 1);  // codes 0 and 2
#else
    put_bits(to, codes, kLowBits, 0);
    if (kHighBits != 0) {
      put_bits(to + kLowVectors * kVector, codes, kHighBits != 0 ? kHighBits : 1, kLowBits);
    }
#endif
  }
}
#endif

#if !LAYOUT_I8_S
// The scales of a block of one row.
static void put_scales(uint8_t* to, const uint8_t* block) {
  const struct weight_format* format = &DESCRIPTION(FORMAT);
  if (format->d_is_power) {
    write_u16(to, bits_of_float(half_of_power(block[format->d_at])) >> 16);
  } else {
    memcpy(to, block + format->d_at, kScaleBytes);
  }
  if (LAYOUT_MINIMA) {
    memcpy(to + kMinimumAt, block + format->m_at, kScaleBytes);
  }
#if LAYOUT_SUB_SCALES
  int8_t scales[kMostGroups];
  uint8_t minima[kMostGroups] = {0};
  format->sub_scales(scales, minima, block);
  for (size_t i = 0; i < (size_t)(2 * kPairs); ++i) {
    const size_t at = i / 2 * kUnit + i % 2;
    to[kSubScalesAt + at] = (uint8_t)scales[i];
    if (LAYOUT_MINIMA && kSubMinimaAt != kSubScalesAt) {
      to[kSubMinimaAt + at] = minima[i];
    } else if (LAYOUT_MINIMA) {
      to[kSubMinimaAt + at] |= (uint8_t)(minima[i] << 4);
    }
  }
#endif
}
#endif

size_t matmul_pack(void* packed, const void* w, size_t rows, size_t cols) {
  const struct weight_format* format = &DESCRIPTION(FORMAT);
  const size_t blocks = cols / kColumns;
  const size_t panels = (rows + kPanel - 1) / kPanel;
  const uint8_t* from = (const uint8_t*)w;
  for (size_t p = 0; packed != NULL && p < panels; ++p) {
    uint8_t* panel = (uint8_t*)packed + p * panel_bytes(blocks);
#if !LAYOUT_I8_S
    uint8_t* scales = panel + blocks * kBlockCodes;
#endif
    memset(panel, 0, panel_bytes(blocks));
    for (size_t r = 0; r < kPanel && p * kPanel + r < rows; ++r) {
      for (size_t b = 0; b < blocks; from += format->bytes) {
        uint8_t codes[kMostElements];
#if LAYOUT_TABLE
        format->codes(codes, from);
#else
        int8_t values[kMostElements];
        format->values(values, from);
        for (size_t c = 0; c < format->elements; ++c) {
          codes[c] = (uint8_t)(values[c] + kZero);
        }
#endif
        // A block may be several of the layout, which have its scale.
        for (size_t c = 0; c < format->elements; c += kColumns, ++b) {
          put_codes(panel + b * kBlockCodes + kGroup * r, codes + c);
#if !LAYOUT_I8_S
          put_scales(scales + b * kBlockScales + kScaleBytes * r, from);
#endif
        }
      }
    }
  }
  return panels * panel_bytes(blocks);
}
