#include "kernels/matmul/avx2_tile.h"

extern "C" matmul_fn matmul_avx2;

namespace {

#if LAYOUT_BITS == 8
// VPMADDUBSW would saturate: 255 * 128 * 2 is no int16. So the codes of even and odd columns become words, and VPMADDWD adds
// the products of two columns as int32.
struct Plain : Avx2 {
  using Sum = __m256i;
  struct Codes {
    __m256i even, odd;
  };
  static constexpr size_t kPrepared = 72;

  static void prepare_codes(uint8_t* to, __m128i low, __m128i high) { widen_codes(to, low, high); }
  static Sum start(const uint8_t* block) { return _mm256_set1_epi32(start_of(block)); }
  static Codes load(const uint8_t* step) {
    const __m256i codes = _mm256_load_si256(reinterpret_cast<const __m256i*>(step));
    return {_mm256_and_si256(codes, _mm256_set1_epi16(0xff)), _mm256_srli_epi16(codes, 8)};
  }
  static Sum add(Sum sum, Codes codes, const uint8_t* x, int step) {
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(codes.even, _mm256_set1_epi32(four_bytes(x + 8 * step))));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(codes.odd, _mm256_set1_epi32(four_bytes(x + 8 * step + 4))));
  }
  static Float value(Sum sum, const uint8_t*) { return _mm256_cvtepi32_ps(sum); }
};
#else
// All products of a block fit an int16: a lane sums 16 of them, of at most 15 * 128.
struct Plain : Avx2 {
  using Sum = __m256i;
  struct Codes {
    __m256i low, high;
  };
  static constexpr size_t kPrepared = 40;

  static void prepare_codes(uint8_t* to, __m128i low, __m128i high) { keep_codes(to, low, high); }
  static Sum start(const uint8_t*) { return _mm256_setzero_si256(); }
  static Codes load(const uint8_t* step) {
    const __m256i codes = _mm256_load_si256(reinterpret_cast<const __m256i*>(step));
    const __m256i nibble = _mm256_set1_epi8(15);
    return {_mm256_and_si256(codes, nibble), _mm256_and_si256(_mm256_srli_epi16(codes, 4), nibble)};
  }
  static Sum add(Sum sum, Codes codes, const uint8_t* x, int step) {
    sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(codes.low, _mm256_set1_epi32(four_bytes(x + 4 * step))));
    return _mm256_add_epi16(sum, _mm256_maddubs_epi16(codes.high, _mm256_set1_epi32(four_bytes(x + 16 + 4 * step))));
  }
  static Float value(Sum sum, const uint8_t* block) {
    const __m256i products = _mm256_madd_epi16(sum, _mm256_set1_epi16(1));
    return _mm256_cvtepi32_ps(_mm256_add_epi32(products, _mm256_set1_epi32(start_of(block))));
  }
};
#endif

}  // namespace

extern "C" void matmul_avx2(const struct matmul_args* a) { run_tiles<Plain>(a); }
