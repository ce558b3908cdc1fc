#include "kernels/shared/avx2.h"
#include "kernels/quantize_q8_k/kernel.h"

extern "C" quantize_q8_k_fn quantize_q8_k_avx2;

// vcvtps2dq rounds to nearest even, as MXCSR says by the ABI.
static inline __m256i scaled(const float* x, __m256 inverse) {
  return _mm256_cvtps_epi32(_mm256_mul_ps(load(x), inverse));
}

// The first element whose magnitude has these bits.
static inline float first_of(const float* x, __m256i largest) {
  for (;; x += 8) {
    const int found = _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(magnitude(load(x)), largest)));
    if (found != 0) {
      return x[__builtin_ctz(static_cast<unsigned>(found))];
    }
  }
}

static inline void quantize(uint8_t* dst, const float* x) {
  __m256i m[4];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    m[j] = magnitude(load(x + 8 * j));
  }
  for (size_t i = 32; i < 256; i += 32) {
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) {
      m[j] = _mm256_max_epi32(m[j], magnitude(load(x + i + 8 * j)));
    }
  }
  __m256i m8 = _mm256_max_epi32(_mm256_max_epi32(m[0], m[1]), _mm256_max_epi32(m[2], m[3]));
  m8 = _mm256_max_epi32(m8, _mm256_permute2x128_si256(m8, m8, 1));
  m8 = _mm256_max_epi32(m8, _mm256_shuffle_epi32(m8, 0x4e));
  m8 = _mm256_max_epi32(m8, _mm256_shuffle_epi32(m8, 0xb1));
  const int largest = _mm256_cvtsi256_si32(m8);
  const float inverse = -127.0f / first_of(x, m8);
  if (largest >= 0x7f800000 || inverse - inverse != 0) {
    memset(dst, 0, 292);
    const uint32_t d = largest >= 0x7f800000 ? 0x7fc00000 : 0;
    memcpy(dst, &d, sizeof d);
    return;
  }
  const float d = 1.0f / inverse;
  memcpy(dst, &d, sizeof d);
  const __m256 factor = _mm256_set1_ps(inverse);
  // The packs work within 128-bit lanes: groups of four values come out as 0 2 4 6 1 3 5 7.
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  for (size_t j = 0; j < 8; ++j, x += 32) {
    const __m256i low = _mm256_packs_epi32(scaled(x, factor), scaled(x + 8, factor));
    const __m256i high = _mm256_packs_epi32(scaled(x + 16, factor), scaled(x + 24, factor));
    const __m256i q = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(dst + 4 + 32 * j), q);
    // The sums of 16 codes: those of code + 128, less 16 * 128, each in the lowest word of a 128-bit lane.
    const __m256i eight = _mm256_sad_epu8(_mm256_xor_si256(q, _mm256_set1_epi8(-128)), _mm256_setzero_si256());
    const __m256i sums =
        _mm256_sub_epi32(_mm256_add_epi32(eight, _mm256_shuffle_epi32(eight, 0x4e)), _mm256_set1_epi32(16 * 128));
    const __m128i two = _mm_unpacklo_epi16(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    const int both = _mm_cvtsi128_si32(two);
    memcpy(dst + 260 + 4 * j, &both, sizeof both);
  }
}

extern "C" void quantize_q8_k_avx2(void* dst, const float* x, size_t n) {
  uint8_t* out = static_cast<uint8_t*>(dst);
  for (size_t i = 0; i < n; i += 256, x += 256, out += 292) {
    quantize(out, x);
  }
}
