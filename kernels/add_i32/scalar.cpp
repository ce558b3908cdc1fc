#include "kernels/add_i32/kernel.h"
#include "kernels/shared/independent.h"

extern "C" add_i32_fn add_i32_scalar;

extern "C" void add_i32_scalar(int32_t* z, const int32_t* x, const int32_t* y, size_t n) {
  // unsigned: signed overflow is undefined
  INDEPENDENT_ITERATIONS  // z may be an input itself, but no other element of it
  for (size_t i = 0; i < n; ++i) {
    z[i] = static_cast<int32_t>(static_cast<uint32_t>(x[i]) + static_cast<uint32_t>(y[i]));
  }
}
