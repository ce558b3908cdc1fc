#include "kernels/shared/sse.h"
#include "kernels/add_i32/kernel.h"

extern "C" add_i32_fn add_i32_sse;

extern "C" void add_i32_sse(int32_t* z, const int32_t* x, const int32_t* y, size_t n) {
  const auto add = [](__m128i a, __m128i b) { return _mm_add_epi32(a, b); };
  elementwise<4>(z, n, add, x, y);
}
