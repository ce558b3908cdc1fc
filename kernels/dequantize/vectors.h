// The loops of the family, for any ISA of intrinsics. An ISA's file defines a struct with
//   kLanes
//   store(y, v)
// for formats of floats with
//   weights(p)          kLanes of them
//   rest(y, p, n)       the last n < kLanes
// and for the others with
//   set(x)              x in all lanes
//   floats(values)      kLanes integers of 8 bits as floats
//   mul, madd           x y, x y + z
// and calls dequantize.
#pragma once
#include <immintrin.h>

#include "kernels/shared/format.h"
#include "kernels/dequantize/kernel.h"

namespace {

#ifdef FORMAT_OF_FLOATS
inline void one_by_one(float* y, const uint8_t* p, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    y[i] = weight_at(p + kBytes * i);
  }
}

template <class Isa>
inline void dequantize(float* y, const void* x, size_t n) {
  const uint8_t* weights = static_cast<const uint8_t*>(x);
  size_t i = 0;
  for (; i + 4 * Isa::kLanes <= n; i += 4 * Isa::kLanes) {
#pragma GCC unroll 4
    for (size_t j = i; j < i + 4 * Isa::kLanes; j += Isa::kLanes) {
      Isa::store(y + j, Isa::weights(weights + kBytes * j));
    }
  }
  for (; i + Isa::kLanes <= n; i += Isa::kLanes) {
    Isa::store(y + i, Isa::weights(weights + kBytes * i));
  }
  if (i < n) {
    Isa::rest(y + i, weights + kBytes * i, n - i);
  }
}
#else
// Groups are whole vectors: the smallest that a format has are of 16 weights. Flatten: with a format's values inlined
// GCC sees that the block does not overlap them, and takes them out in vectors.
template <class Isa>
__attribute__((flatten)) inline void dequantize(float* y, const void* x, size_t n) {
  const weight_format& format = DESCRIPTION(FORMAT);
  const uint8_t* block = static_cast<const uint8_t*>(x);
  for (; n > 0; n -= format.elements, block += format.bytes) {
    // Aligned, so that how fast it is does not hang on where the stack is.
    alignas(64) int8_t values[kMostElements];
    alignas(64) float scales[kMostGroups];
    alignas(64) float offsets[kMostGroups];
    format.values(values, block);
    scales_of_block(&format, scales, offsets, block);
    for (size_t g = 0; g < format.elements / format.group; ++g, y += format.group) {
      const auto scale = Isa::set(scales[g]);
      const auto offset = Isa::set(offsets[g]);
      for (size_t j = 0; j < format.group; j += Isa::kLanes) {
        const auto value = Isa::floats(values + g * format.group + j);
        Isa::store(y + j, format.m_at != NOWHERE ? Isa::madd(value, scale, offset) : Isa::mul(value, scale));
      }
    }
  }
}
#endif

}  // namespace
