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
  static Codes load(const uint8_t* step, int) {
    const __m256i codes = _mm256_load_si256(reinterpret_cast<const __m256i*>(step));
    return {_mm256_and_si256(codes, _mm256_set1_epi16(0xff)), _mm256_srli_epi16(codes, 8)};
  }
  static Sum add(Sum sum, Codes codes, const uint8_t* x, int round) {
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(codes.even, _mm256_set1_epi32(four_bytes(x + 8 * round))));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(codes.odd, _mm256_set1_epi32(four_bytes(x + 8 * round + 4))));
  }
  static Float value(Sum sum, const uint8_t*) { return _mm256_cvtepi32_ps(sum); }
};
#else
// All products of a block fit an int16.
struct Short : Avx2 {
  using Sum = __m256i;
  static constexpr size_t kPrepared = 40;

  static void prepare_codes(uint8_t* to, __m128i low, __m128i high) { keep_codes(to, low, high); }
  static Sum start(const uint8_t*) { return _mm256_setzero_si256(); }
  /// Four columns' codes times the activations at `x`.
  static Sum add_products(Sum sum, __m256i codes, const uint8_t* x) {
    sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(codes, _mm256_set1_epi32(four_bytes(x))));
    asm("" : "+x"(sum));  // GCC would reassociate the sums to have all products first, and spill them
    return sum;
  }
  static Float value(Sum sum, const uint8_t* block) {
    const __m256i products = _mm256_madd_epi16(sum, _mm256_set1_epi16(1));
    return _mm256_cvtepi32_ps(_mm256_add_epi32(products, _mm256_set1_epi32(start_of(block))));
  }
};

#if LAYOUT_BITS == 4
// A lane sums 16 products of at most 15 * 128.
struct Plain : Short {
  struct Codes {
    __m256i low, high;
  };
  static Codes load(const uint8_t* step, int) {
    const __m256i codes = _mm256_load_si256(reinterpret_cast<const __m256i*>(step));
    const __m256i nibble = _mm256_set1_epi8(15);
    return {_mm256_and_si256(codes, nibble), _mm256_and_si256(_mm256_srli_epi16(codes, 4), nibble)};
  }
  static Sum add(Sum sum, Codes codes, const uint8_t* x, int round) {
    return add_products(add_products(sum, codes.low, x + 4 * round), codes.high, x + 16 + 4 * round);
  }
};
#else
// A lane sums 16 products of at most 2 * 128.
struct Plain : Short {
  using Codes = __m256i;
  static Codes load(const uint8_t* step, int round) {
    const __m256i bits = _mm256_load_si256(reinterpret_cast<const __m256i*>(step));
    const __m256i shifted = round == 0 ? _mm256_slli_epi16(bits, 1) : _mm256_srli_epi16(bits, round - 1);
    return _mm256_and_si256(shifted, _mm256_set1_epi8(2));
  }
  static Sum add(Sum sum, Codes codes, const uint8_t* x, int round) { return add_products(sum, codes, x + 4 * round); }
};
#endif
#endif

}  // namespace

extern "C" void matmul_avx2(const struct matmul_args* a) { run_tiles<Plain>(a); }
