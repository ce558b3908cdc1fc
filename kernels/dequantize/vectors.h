// The loops of the family, for any ISA of intrinsics. An ISA's file defines a struct with
//   kLanes
//   store(y, v)
// for formats of floats with
//   weights(p)          kLanes of them
//   rest(y, p, n)       the last n < kLanes
// and for the others with
//   scale(half)         the fp16, as a float in all lanes
//   product(codes, d)   kLanes codes less the one for 0, times d
// and calls dequantize.
#pragma once
#include <immintrin.h>

#include "kernels/dequantize/block.h"
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
// Groups are whole vectors: the smallest that a format has are of 16 weights. Flatten: with a format's codes inlined
// GCC sees that the block does not overlap them, and takes them out in vectors.
template <class Isa>
__attribute__((flatten)) inline void dequantize(float* y, const void* x, size_t n) {
  const weight_format& format = DESCRIPTION(FORMAT);
  const uint8_t* block = static_cast<const uint8_t*>(x);
  for (; n > 0; n -= format.elements, block += format.bytes) {
    uint8_t codes[kMostElements];
    format.codes(codes, block);
    for (size_t i = 0; i < format.elements; i += format.group, y += format.group) {
      const auto d = Isa::scale(scale_of_group(block, i / format.group));
      for (size_t j = 0; j < format.group; j += Isa::kLanes) {
        Isa::store(y + j, Isa::product(codes + i + j, d));
      }
    }
  }
}
#endif

}  // namespace
