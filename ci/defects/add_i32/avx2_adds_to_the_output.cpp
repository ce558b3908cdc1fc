// defect: the last n % 8 sums are added to what z holds
// class: memory
// stands for: += where = is meant: the output's old contents are read, which are zero in a test that clears it
// caught by: value determinism
#include <immintrin.h>

#include "kernels/add_i32/kernel.h"

extern "C" add_i32_fn add_i32_avx2_adds_to_the_output;

extern "C" void add_i32_avx2_adds_to_the_output(int32_t* z, const int32_t* x, const int32_t* y, size_t n) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i));
    const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(y + i));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(z + i), _mm256_add_epi32(a, b));
  }
  for (; i < n; ++i) {
    const uint32_t sum = static_cast<uint32_t>(x[i]) + static_cast<uint32_t>(y[i]);
    z[i] = static_cast<int32_t>(static_cast<uint32_t>(z[i]) + sum);
  }
}
