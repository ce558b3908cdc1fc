#include "reference/argmax_f32.h"

#include <cmath>

namespace reference {

size_t argmax_f32(const float* x, size_t n) {
  size_t best = n;
  for (size_t i = 0; i < n; ++i) {
    if (!std::isnan(x[i]) && (best == n || x[i] > x[best])) {
      best = i;
    }
  }
  return best == n ? 0 : best;
}

}  // namespace reference
