#include "kernels/shared/avx2.h"
#include "kernels/add_i32/kernel.h"

extern "C" add_i32_fn add_i32_avx2;

extern "C" void add_i32_avx2(int32_t* z, const int32_t* x, const int32_t* y, size_t n) {
  const auto add = [](__m256i a, __m256i b) { return _mm256_add_epi32(a, b); };
  elementwise<4>(z, n, add, x, y);
}
