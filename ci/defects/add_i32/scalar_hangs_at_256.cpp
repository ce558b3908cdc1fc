// defect: up to 256 elements are counted in 8 bits up to the last index: with 256 the loop never ends
// class: lengths
// stands for: i <= last where last is the largest value of i's type
// caught by: hang
#include "kernels/add_i32/kernel.h"

extern "C" add_i32_fn add_i32_scalar_hangs_at_256;

static inline int32_t sum(int32_t a, int32_t b) {
  return static_cast<int32_t>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));
}

extern "C" void add_i32_scalar_hangs_at_256(int32_t* z, const int32_t* x, const int32_t* y, size_t n) {
  if (n > 256) {
    for (size_t i = 0; i < n; ++i) {
      z[i] = sum(x[i], y[i]);
    }
  } else if (n > 0) {
    const auto last = static_cast<uint8_t>(n - 1);
    for (uint8_t i = 0; i <= last; ++i) {
      z[i] = sum(x[i], y[i]);
    }
  }
}
