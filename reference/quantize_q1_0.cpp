#include "reference/quantize_q1_0.h"

#include <cmath>

namespace reference {

Q1Block quantize_q1_0(const float* x) {
  Q1Block block{0, {}};
  double sum = 0;
  for (size_t i = 0; i < 128; ++i) {
    sum += std::fabs(static_cast<double>(x[i]));
    if (x[i] >= 0) {
      block.bits[i / 8] = static_cast<uint8_t>(block.bits[i / 8] | (1u << (i % 8)));
    }
  }
  block.mean = sum / 128;
  return block;
}

}  // namespace reference
