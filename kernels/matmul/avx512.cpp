#include "kernels/matmul/avx512_tile.h"

extern "C" matmul_fn matmul_avx512;

namespace {

#if LAYOUT_BITS == 8
// VPMADDUBSW would saturate: 255 * 128 * 2 is no int16. So the codes of even and odd columns become words, and VPMADDWD adds
// the products of two columns as int32.
struct Plain : Avx512 {
  using Sum = __m512i;
  struct Codes {
    __m512i even, odd;
  };
  static constexpr size_t kPrepared = 72;

  static void prepare_codes(uint8_t* to, __m128i low, __m128i high) { widen_codes(to, low, high); }
  static Sum start(const uint8_t* block) { return _mm512_set1_epi32(start_of(block)); }
  static Codes load(const uint8_t* step) {
    const __m512i codes = _mm512_load_si512(step);
    return {_mm512_and_si512(codes, _mm512_set1_epi16(0xff)), _mm512_srli_epi16(codes, 8)};
  }
  static Sum add(Sum sum, Codes codes, const uint8_t* x, int step) {
    sum = _mm512_add_epi32(sum, _mm512_madd_epi16(codes.even, _mm512_set1_epi32(four_bytes(x + 8 * step))));
    return _mm512_add_epi32(sum, _mm512_madd_epi16(codes.odd, _mm512_set1_epi32(four_bytes(x + 8 * step + 4))));
  }
  static Float value(Sum sum, const uint8_t*) { return _mm512_cvtepi32_ps(sum); }
};
#else
// All products of a block fit an int16: a lane sums 16 of them, of at most 15 * 128.
struct Plain : Avx512 {
  using Sum = __m512i;
  struct Codes {
    __m512i low, high;
  };
  static constexpr size_t kPrepared = 40;

  static void prepare_codes(uint8_t* to, __m128i low, __m128i high) { keep_codes(to, low, high); }
  static Sum start(const uint8_t*) { return _mm512_setzero_si512(); }
  static Codes load(const uint8_t* step) {
    const __m512i codes = _mm512_load_si512(step);
    const __m512i nibble = _mm512_set1_epi8(15);
    return {_mm512_and_si512(codes, nibble), _mm512_and_si512(_mm512_srli_epi16(codes, 4), nibble)};
  }
  static Sum add(Sum sum, Codes codes, const uint8_t* x, int step) {
    sum = _mm512_add_epi16(sum, _mm512_maddubs_epi16(codes.low, _mm512_set1_epi32(four_bytes(x + 4 * step))));
    return _mm512_add_epi16(sum, _mm512_maddubs_epi16(codes.high, _mm512_set1_epi32(four_bytes(x + 16 + 4 * step))));
  }
  static Float value(Sum sum, const uint8_t* block) {
    const __m512i products = _mm512_madd_epi16(sum, _mm512_set1_epi16(1));
    return _mm512_cvtepi32_ps(_mm512_add_epi32(products, _mm512_set1_epi32(start_of(block))));
  }
};
#endif

}  // namespace

extern "C" void matmul_avx512(const struct matmul_args* a) { run_tiles<Plain>(a); }
