#include "kernels/matmul/avx512_tile.h"

extern "C" matmul_fn matmul_avx512_vnni;

namespace {

// VPDPBUSD adds the products of four columns to a row's lane, exactly.
struct Vnni : Avx512 {
  using Sum = __m512i;
  using Codes = __m512i;
  static constexpr size_t kPrepared = 40;

  static void prepare_codes(uint8_t* to, __m128i low, __m128i high) { keep_codes(to, low, high); }
  static Sum start(const uint8_t* block) { return _mm512_set1_epi32(start_of(block)); }
  static Codes load(const uint8_t* step, int round) {
    const __m512i codes = _mm512_load_si512(step);
    if (LAYOUT_BITS != 1) {
      return codes;
    }
    const __m512i shifted = round == 0 ? _mm512_slli_epi16(codes, 1) : _mm512_srli_epi16(codes, round - 1);
    return _mm512_and_si512(shifted, _mm512_set1_epi8(2));
  }
  static Sum add(Sum sum, Codes codes, const uint8_t* x, int round) {
    const __m512i first = _mm512_set1_epi32(four_bytes(x + 4 * round));
    if (LAYOUT_BITS != 4) {
      return _mm512_dpbusd_epi32(sum, codes, first);
    }
    const __m512i nibble = _mm512_set1_epi8(15);
    const __m512i second = _mm512_set1_epi32(four_bytes(x + 16 + 4 * round));
    sum = _mm512_dpbusd_epi32(sum, _mm512_and_si512(codes, nibble), first);
    return _mm512_dpbusd_epi32(sum, _mm512_and_si512(_mm512_srli_epi16(codes, 4), nibble), second);
  }
  static Float value(Sum sum, const uint8_t*) { return _mm512_cvtepi32_ps(sum); }
};

}  // namespace

extern "C" void matmul_avx512_vnni(const struct matmul_args* a) { run_tiles<Vnni>(a); }
