// defect: whole vectors of eight are added with AVX2 instructions
// class: gating
// stands for: a function of another file's flags in a variant for older CPUs: SIGILL there, a pass everywhere else
// caught by: isa illegal-instruction
#include <immintrin.h>

#include "kernels/add_i32/kernel.h"

extern "C" add_i32_fn add_i32_sse_uses_avx2;

__attribute__((target("avx2"))) static void add8(int32_t* z, const int32_t* x, const int32_t* y) {
  const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
  const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(y));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(z), _mm256_add_epi32(a, b));
}

extern "C" void add_i32_sse_uses_avx2(int32_t* z, const int32_t* x, const int32_t* y, size_t n) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    add8(z + i, x + i, y + i);
  }
  for (; i < n; ++i) {
    z[i] = static_cast<int32_t>(static_cast<uint32_t>(x[i]) + static_cast<uint32_t>(y[i]));
  }
}
