#include "kernels/shared/sse.h"
#include "kernels/matmul/tile.h"

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
  static Codes load(const uint8_t* step, int) {
    const __m128i codes = _mm_load_si128(reinterpret_cast<const __m128i*>(step));
    return {_mm_and_si128(codes, _mm_set1_epi16(0xff)), _mm_srli_epi16(codes, 8)};
  }
  static Sum add(Sum sum, Codes codes, const uint8_t* x, int round) {
    sum = _mm_add_epi32(sum, _mm_madd_epi16(codes.even, _mm_set1_epi32(four_bytes(x + 8 * round))));
    return _mm_add_epi32(sum, _mm_madd_epi16(codes.odd, _mm_set1_epi32(four_bytes(x + 8 * round + 4))));
  }
  static Float value(Sum sum, const uint8_t*) { return _mm_cvtepi32_ps(sum); }
};
#else
// All products of a block fit an int16.
struct Short : Sse {
  static constexpr size_t kPrepared = 40;

  static void prepare_codes(uint8_t* to, __m128i low, __m128i high) { keep_codes(to, low, high); }
  static Sum start(const uint8_t*) { return _mm_setzero_si128(); }
  /// Four columns' codes times the activations at `x`.
  static Sum add_products(Sum sum, __m128i codes, const uint8_t* x) {
    sum = _mm_add_epi16(sum, _mm_maddubs_epi16(codes, _mm_set1_epi32(four_bytes(x))));
    asm("" : "+x"(sum));  // GCC would reassociate the sums to have all products first, and spill them
    return sum;
  }
  static Float value(Sum sum, const uint8_t* block) {
    const __m128i products = _mm_madd_epi16(sum, _mm_set1_epi16(1));
    return _mm_cvtepi32_ps(_mm_add_epi32(products, _mm_set1_epi32(start_of(block))));
  }
};

#if LAYOUT_BITS == 4
// A lane sums 16 products of at most 15 * 128.
struct Plain : Short {
  struct Codes {
    __m128i low, high;
  };
  static Codes load(const uint8_t* step, int) {
    const __m128i codes = _mm_load_si128(reinterpret_cast<const __m128i*>(step));
    const __m128i nibble = _mm_set1_epi8(15);
    return {_mm_and_si128(codes, nibble), _mm_and_si128(_mm_srli_epi16(codes, 4), nibble)};
  }
  static Sum add(Sum sum, Codes codes, const uint8_t* x, int round) {
    return add_products(add_products(sum, codes.low, x + 4 * round), codes.high, x + 16 + 4 * round);
  }
};
#else
// A lane sums 16 products of at most 2 * 128.
struct Plain : Short {
  using Codes = __m128i;
  static Codes load(const uint8_t* step, int round) {
    const __m128i bits = _mm_load_si128(reinterpret_cast<const __m128i*>(step));
    const __m128i shifted = round == 0 ? _mm_slli_epi16(bits, 1) : _mm_srli_epi16(bits, round - 1);
    return _mm_and_si128(shifted, _mm_set1_epi8(2));
  }
  static Sum add(Sum sum, Codes codes, const uint8_t* x, int round) { return add_products(sum, codes, x + 4 * round); }
};
#endif
#endif

}  // namespace

extern "C" void matmul_sse(const struct matmul_args* a) { run_tiles<Plain>(a); }
