#include "kernels/shared/sse.h"
#include "kernels/matmul/tile.h"

extern "C" matmul_fn matmul_sse;

namespace {

// 4 rows, a quarter of a panel.
struct Sse {
  using Float = __m128;
  using Int = __m128i;
  static constexpr size_t kLanes = 4;
  static constexpr int kTokens = 4;
  static constexpr int kVectors = 1;
  static constexpr int kVectorsOfOne = 2;

  static Float zero() { return _mm_setzero_ps(); }
  static Float set1(float x) { return _mm_set1_ps(x); }
  static Float mul(Float x, Float y) { return _mm_mul_ps(x, y); }
  static Float fmadd(Float x, Float y, Float z) { return _mm_add_ps(_mm_mul_ps(x, y), z); }
  static Float fnmadd(Float x, Float y, Float z) { return _mm_sub_ps(z, _mm_mul_ps(x, y)); }
  static Float add_floats(Float x, Float y) { return _mm_add_ps(x, y); }
  static Float loadu(const float* p) { return _mm_loadu_ps(p); }
  static void storeu(float* p, Float x) { _mm_storeu_ps(p, x); }
  static Float halves(const uint8_t* p) { return load_halves(p); }
  static Float upper_halves(const uint8_t* p) {
    return _mm_castsi128_ps(_mm_slli_epi32(_mm_cvtepu16_epi32(half_load(p)), 16));
  }
  static Float to_float(Int x) { return _mm_cvtepi32_ps(x); }

  static Int zero_int() { return _mm_setzero_si128(); }
  static Int set1(int32_t x) { return _mm_set1_epi32(x); }
  static Int set1_8(int x) { return _mm_set1_epi8(static_cast<char>(x)); }
  static Int load(const uint8_t* p) { return _mm_load_si128(reinterpret_cast<const __m128i*>(p)); }
  /// 8 bytes as int16.
  static Int signed_words(const uint8_t* p) { return _mm_cvtepi8_epi16(half_load(p)); }
  static Int and_(Int x, Int y) { return _mm_and_si128(x, y); }
  static Int or_(Int x, Int y) { return _mm_or_si128(x, y); }
  static Int left16(Int x, int by) { return _mm_slli_epi16(x, by); }
  static Int right16(Int x, int by) { return _mm_srli_epi16(x, by); }
  static Int left32(Int x, int by) { return _mm_slli_epi32(x, by); }
  static Int right32(Int x, int by) { return _mm_srli_epi32(x, by); }
  static Int signed_right32(Int x, int by) { return _mm_srai_epi32(x, by); }
  static Int add8(Int x, Int y) { return _mm_add_epi8(x, y); }
  static Int add16(Int x, Int y) { return _mm_add_epi16(x, y); }
  static Int add32(Int x, Int y) { return _mm_add_epi32(x, y); }
  static Int subtract_saturated8(Int x, Int y) { return _mm_subs_epu8(x, y); }
  static Int average8(Int x, Int y) { return _mm_avg_epu8(x, y); }
  static Int multiply_add8(Int x, Int y) { return _mm_maddubs_epi16(x, y); }
  static Int multiply_add16(Int x, Int y) { return _mm_madd_epi16(x, y); }
  static Int multiply32(Int x, Int y) { return _mm_mullo_epi32(x, y); }
  /// The lower, or the upper, word of each lane in both.
  static Int even_words(Int x) { return _mm_shufflehi_epi16(_mm_shufflelo_epi16(x, 0xa0), 0xa0); }
  static Int odd_words(Int x) { return _mm_shufflehi_epi16(_mm_shufflelo_epi16(x, 0xf5), 0xf5); }
  static Int look_up(const uint8_t* table, Int x) {
    return _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)), x);
  }
  /// GCC would reassociate sums to have all products first, and spill them.
  static Int keep(Int sum) {
    asm("" : "+x"(sum));
    return sum;
  }

 private:
  static __m128i half_load(const uint8_t* p) { return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)); }
};

}  // namespace

extern "C" void matmul_sse(const struct matmul_args* a) { run_tiles<Sse, Plain<Sse>>(a); }
