#include "kernels/matmul/tile.h"
#include "kernels/shared/sse.h"

extern "C" matmul_fn matmul_sse;

namespace {

// 4 rows in the lanes of a vector, a quarter of a panel.
struct Sse {
  using Float = __m128;
  using Sum = __m128i;
  static constexpr size_t kLanes = 4;
  static constexpr int kTokens = 4;
  static constexpr int kVectors = 1;
  static constexpr int kVectorsOfOne = 2;

  static Float zero() { return _mm_setzero_ps(); }
  static Float set1(float x) { return _mm_set1_ps(x); }
  static Float mul(Float x, Float y) { return _mm_mul_ps(x, y); }
  static Float fmadd(Float x, Float y, Float z) { return _mm_add_ps(_mm_mul_ps(x, y), z); }
  static Float add_floats(Float x, Float y) { return _mm_add_ps(x, y); }
  static Float loadu(const float* p) { return _mm_loadu_ps(p); }
  static void storeu(float* p, Float x) { _mm_storeu_ps(p, x); }
  static Float halves(const uint8_t* p) { return load_halves(p); }
};

#if LAYOUT_BITS == 8
// PMADDUBSW would saturate: 255 * 128 * 2 is no int16. So the codes of even and odd columns become words, and PMADDWD adds
// the products of two columns as int32.
struct Plain : Sse {
  struct Codes {
    __m128i even, odd;
  };
  static constexpr size_t kPrepared = 72;

  static void prepare_codes(uint8_t* to, __m128i low, __m128i high) { widen_codes(to, low, high); }
  static Sum start(const uint8_t* block) { return _mm_set1_epi32(start_of(block)); }
  static Codes load(const uint8_t* step) {
    const __m128i codes = _mm_load_si128(reinterpret_cast<const __m128i*>(step));
    return {_mm_and_si128(codes, _mm_set1_epi16(0xff)), _mm_srli_epi16(codes, 8)};
  }
  static Sum add(Sum sum, Codes codes, const uint8_t* x, int step) {
    sum = _mm_add_epi32(sum, _mm_madd_epi16(codes.even, _mm_set1_epi32(four_bytes(x + 8 * step))));
    return _mm_add_epi32(sum, _mm_madd_epi16(codes.odd, _mm_set1_epi32(four_bytes(x + 8 * step + 4))));
  }
  static Float value(Sum sum, const uint8_t*) { return _mm_cvtepi32_ps(sum); }
};
#else
// All products of a block fit an int16: a lane sums 16 of them, of at most 15 * 128.
struct Plain : Sse {
  struct Codes {
    __m128i low, high;
  };
  static constexpr size_t kPrepared = 40;

  static void prepare_codes(uint8_t* to, __m128i low, __m128i high) { keep_codes(to, low, high); }
  static Sum start(const uint8_t*) { return _mm_setzero_si128(); }
  static Codes load(const uint8_t* step) {
    const __m128i codes = _mm_load_si128(reinterpret_cast<const __m128i*>(step));
    const __m128i nibble = _mm_set1_epi8(15);
    return {_mm_and_si128(codes, nibble), _mm_and_si128(_mm_srli_epi16(codes, 4), nibble)};
  }
  static Sum add(Sum sum, Codes codes, const uint8_t* x, int step) {
    sum = _mm_add_epi16(sum, _mm_maddubs_epi16(codes.low, _mm_set1_epi32(four_bytes(x + 4 * step))));
    return _mm_add_epi16(sum, _mm_maddubs_epi16(codes.high, _mm_set1_epi32(four_bytes(x + 16 + 4 * step))));
  }
  static Float value(Sum sum, const uint8_t* block) {
    const __m128i products = _mm_madd_epi16(sum, _mm_set1_epi16(1));
    return _mm_cvtepi32_ps(_mm_add_epi32(products, _mm_set1_epi32(start_of(block))));
  }
};
#endif

}  // namespace

extern "C" void matmul_sse(const struct matmul_args* a) { run_tiles<Plain>(a); }
