// defect: x is loaded with MOVDQA
// class: memory
// stands for: an aligned load where the contract promises no alignment
// caught by: memory
#include <immintrin.h>

#include "kernels/add_i32/kernel.h"

extern "C" add_i32_fn add_i32_sse_aligned_load;

extern "C" void add_i32_sse_aligned_load(int32_t* z, const int32_t* x, const int32_t* y, size_t n) {
  size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    // A plain load would become the memory operand of PADDD, which must be aligned as well.
    __m128i a;
    asm("movdqa %1, %0" : "=x"(a) : "m"(*reinterpret_cast<const __m128i*>(x + i)));
    const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(y + i));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(z + i), _mm_add_epi32(a, b));
  }
  for (; i < n; ++i) {
    z[i] = static_cast<int32_t>(static_cast<uint32_t>(x[i]) + static_cast<uint32_t>(y[i]));
  }
}
