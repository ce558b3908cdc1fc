// The format that a file of the family is compiled for: FORMAT, whose header is FORMAT_HEADER. A format either is of
// floats, and the build has defined LAYOUT_f32, LAYOUT_f16 or LAYOUT_bf16, or its blocks hold codes and scales.
#pragma once
#include <string.h>

// A format says nothing of what it does not have, and C++ warns of that.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#include FORMAT_HEADER
#pragma GCC diagnostic pop

#define JOIN(a, b) a##b
#define DESCRIPTION(format) JOIN(format, _format)

#if defined LAYOUT_f32 || defined LAYOUT_f16 || defined LAYOUT_bf16
#define FORMAT_OF_FLOATS

enum { kBytes = LAYOUT_BITS / 8 };  // of a weight

static inline float weight_at(const uint8_t* p) {
#if defined LAYOUT_f32
  float weight;
  memcpy(&weight, p, sizeof weight);
  return weight;
#elif defined LAYOUT_f16
  return half_to_float(read_u16(p));
#else  // bf16 is the upper half of a float
  return float_of_bits((uint32_t)read_u16(p) << 16);
#endif
}
#else
enum { kMostElements = 256 };  // of a block

// The code that stands for 0.
static inline int code_of_zero(void) { return 1 << (DESCRIPTION(FORMAT).code_bits - 1); }

static inline uint16_t scale_of_group(const uint8_t* block, size_t g) {
  return read_u16(block + DESCRIPTION(FORMAT).scale_at(g));
}

// A function of its own. In a loop over blocks GCC 12 unrolls loops of up to 16 rounds before it looks for vectors, and
// finds none in them (--param max-completely-peel-times).
__attribute__((noinline, unused)) static void codes_of_block(uint8_t* __restrict codes,
                                                             const uint8_t* __restrict block) {
  DESCRIPTION(FORMAT).codes(codes, block);
}
#endif
