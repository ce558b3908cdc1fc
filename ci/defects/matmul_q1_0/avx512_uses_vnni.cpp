// defect: products are summed by VPDPBUSD
// class: gating
// stands for: an instruction (VNNI) newer than the level of the variant, right where the CPU has it
// caught by: isa illegal-instruction
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "kernels/matmul_q1_0/kernel.h"

extern "C" matmul_q1_0_pack_fn matmul_q1_0_pack_avx512_uses_vnni;
extern "C" matmul_q1_0_fn matmul_q1_0_avx512_uses_vnni;

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

__attribute__((target("avx512vnni,avx512vl"))) __m256i dpbusd(__m256i u, __m256i s) {
  return _mm256_dpbusd_epi32(_mm256_setzero_si256(), u, s);
}

int sum_of(__m256i v) {
  const __m128i half = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  alignas(16) int sums[4];
  _mm_store_si128(reinterpret_cast<__m128i*>(sums), half);
  return sums[0] + sums[1] + sums[2] + sums[3];
}

// A set bit makes the byte 255, and the sum is divided by it: twice the q with set bits, less all of them.
int dot(const uint8_t* bits, const int8_t* q) {
  uint32_t set;
  memcpy(&set, bits, sizeof set);
  const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(q));
  return 2 * (sum_of(dpbusd(_mm256_movm_epi8(set), v)) / 255) - sum_of(dpbusd(_mm256_set1_epi8(1), v));
}

}  // namespace

extern "C" size_t matmul_q1_0_pack_avx512_uses_vnni(void* packed, const void* w, size_t rows, size_t cols) {
  const size_t bytes = rows * (cols / 128) * 18;
  if (packed != nullptr && bytes != 0) {
    memcpy(packed, w, bytes);
  }
  return bytes;
}

extern "C" void matmul_q1_0_avx512_uses_vnni(const matmul_q1_0_args* a) {
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
