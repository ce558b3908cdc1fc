// The format that a file of the family is compiled for: FORMAT, whose header is FORMAT_HEADER. A format either is of
// floats, and the build has defined LAYOUT_f32, LAYOUT_f16 or LAYOUT_bf16, or its blocks hold integers and scales.
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
// A function of its own. In a loop over blocks GCC 12 unrolls loops of up to 16 rounds before it looks for vectors, and
// finds none in them (--param max-completely-peel-times).
__attribute__((noinline, unused)) static void values_of_block(int8_t* __restrict values,
                                                              const uint8_t* __restrict block) {
  DESCRIPTION(FORMAT).values(values, block);
}
#endif
