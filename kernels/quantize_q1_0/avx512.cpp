#include "kernels/shared/avx512.h"
#include "kernels/quantize_q1_0/kernel.h"

extern "C" quantize_q1_0_fn quantize_q1_0_avx512;

static inline void quantize(uint8_t* dst, const float* x) {
  __m512 s[8];
#pragma GCC unroll 8
  for (int j = 0; j < 8; ++j) {
    const __m512 v = load(x + 16 * j);
    s[j] = _mm512_abs_ps(v);
    const __mmask16 bits = _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_GE_OQ);
    memcpy(dst + 2 + 2 * j, &bits, sizeof bits);
  }
  store_half(dst, _mm_set_ss(add_up(s) * (1.0f / 128)));
}

extern "C" void quantize_q1_0_avx512(void* dst, const float* x, size_t n) {
  uint8_t* out = static_cast<uint8_t*>(dst);
  for (size_t i = 0; i < n; i += 128, x += 128, out += 18) {
    quantize(out, x);
  }
}
