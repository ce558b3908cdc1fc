#pragma once
#include <cstddef>
#include <cstdint>

namespace reference {

/// The weights of a block of kElements: what `kParts` takes it apart into, added up.
template <void (*kParts)(const uint8_t*, double*, double*), size_t kElements>
void decode_parts(const uint8_t* block, double* out) {
  double offsets[kElements];
  kParts(block, out, offsets);
  for (size_t i = 0; i < kElements; ++i) {
    out[i] += offsets[i];
  }
}

}  // namespace reference
