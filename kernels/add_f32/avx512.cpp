#include "kernels/shared/avx512.h"
#include "kernels/add_f32/kernel.h"

extern "C" add_f32_fn add_f32_avx512;

extern "C" void add_f32_avx512(float* z, const float* x, const float* y, size_t n) {
  const auto add = [](__m512 a, __m512 b) { return _mm512_add_ps(a, b); };
  elementwise<4>(z, n, add, x, y);
}
