// defect: three products of full range and more are added in int16
// class: integers
// stands for: int16 accumulators kept too long
// caught by: value
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "kernels/matmul_q1_0/kernel.h"

extern "C" matmul_q1_0_pack_fn matmul_q1_0_pack_avx512_sum_in_int16_too_long;
extern "C" matmul_q1_0_fn matmul_q1_0_avx512_sum_in_int16_too_long;

namespace {

float float_of_half(const uint8_t* p) {
  const uint32_t h = p[0] | static_cast<uint32_t>(p[1]) << 8;
  const uint32_t exponent = h >> 10 & 31;
  const uint32_t mantissa = h & 1023;
  const float sign = (h >> 15) != 0 ? -1.0f : 1.0f;
  if (exponent == 31) {
    return mantissa != 0 ? __builtin_nanf("") : sign * __builtin_inff();
  }
  return sign * (exponent == 0 ? static_cast<float>(mantissa) * 0x1p-24f
                               : static_cast<float>(mantissa + 1024) * 0x1p-25f * static_cast<float>(1u << exponent));
}

constexpr short kOne = 127;  // weights are +-kOne, and the sum is divided by it

// Eight products a vector, added in int16.
int dot(const uint8_t* bits, const int8_t* q) {
  __m128i s = _mm_setzero_si128();
  for (size_t i = 0; i < 4; ++i) {
    const __mmask8 plus = static_cast<__mmask8>(bits[i]);
    const __m128i weights = _mm_mask_mov_epi16(_mm_set1_epi16(-kOne), plus, _mm_set1_epi16(kOne));
    const __m128i v = _mm_cvtepi8_epi16(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(q + 8 * i)));
    s = _mm_add_epi16(s, _mm_mullo_epi16(v, weights));
  }
  alignas(16) int sums[4];
  _mm_store_si128(reinterpret_cast<__m128i*>(sums), _mm_madd_epi16(s, _mm_set1_epi16(1)));
  int sum = 0;
  for (const int part : sums) {
    sum += part;
  }
  return sum / kOne;
}

}  // namespace

extern "C" size_t matmul_q1_0_pack_avx512_sum_in_int16_too_long(void* packed, const void* w, size_t rows, size_t cols) {
  const size_t bytes = rows * (cols / 128) * 18;
  if (packed != nullptr && bytes != 0) {
    memcpy(packed, w, bytes);
  }
  return bytes;
}

extern "C" void matmul_q1_0_avx512_sum_in_int16_too_long(const matmul_q1_0_args* a) {
  const size_t blocks = a->cols / 32;
  for (size_t t = 0; t < a->tokens; ++t) {
    const uint8_t* x = static_cast<const uint8_t*>(a->x) + t * blocks * 34;
    for (size_t r = a->row_begin; r < a->row_end; ++r) {
      const uint8_t* w = static_cast<const uint8_t*>(a->packed) + r * (a->cols / 128) * 18;
      float y = a->bias != nullptr ? a->bias[r] : 0;
      for (size_t b = 0; b < blocks; ++b) {
        const uint8_t* bits = w + b / 4 * 18 + 2 + b % 4 * 4;
        const int8_t* q = reinterpret_cast<const int8_t*>(x + b * 34 + 2);
        const int sum = dot(bits, q);
        y += float_of_half(w + b / 4 * 18) * float_of_half(x + b * 34) * static_cast<float>(sum);
      }
      a->y[t * a->ldy + r] = y;
    }
  }
}
