#include "kernels/matmul/avx2_tile.h"

extern "C" matmul_fn matmul_avx_vnni;

namespace {

// VPDPBUSD adds the products of four columns to a row's lane, exactly.
struct Vnni : Avx2 {
  using Sum = __m256i;
  using Codes = __m256i;
  static constexpr size_t kPrepared = 40;

  static void prepare_codes(uint8_t* to, __m128i low, __m128i high) { keep_codes(to, low, high); }
  static Sum start(const uint8_t* block) { return _mm256_set1_epi32(start_of(block)); }
  static Codes load(const uint8_t* step, int round) {
    const __m256i codes = _mm256_load_si256(reinterpret_cast<const __m256i*>(step));
    if (LAYOUT_BITS != 1) {
      return codes;
    }
    const __m256i shifted = round == 0 ? _mm256_slli_epi16(codes, 1) : _mm256_srli_epi16(codes, round - 1);
    return _mm256_and_si256(shifted, _mm256_set1_epi8(2));
  }
  static Sum add(Sum sum, Codes codes, const uint8_t* x, int round) {
    const __m256i first = _mm256_set1_epi32(four_bytes(x + 4 * round));
    if (LAYOUT_BITS != 4) {
      return _mm256_dpbusd_avx_epi32(sum, codes, first);
    }
    const __m256i nibble = _mm256_set1_epi8(15);
    const __m256i second = _mm256_set1_epi32(four_bytes(x + 16 + 4 * round));
    sum = _mm256_dpbusd_avx_epi32(sum, _mm256_and_si256(codes, nibble), first);
    return _mm256_dpbusd_avx_epi32(sum, _mm256_and_si256(_mm256_srli_epi16(codes, 4), nibble), second);
  }
  static Float value(Sum sum, const uint8_t*) { return _mm256_cvtepi32_ps(sum); }
};

}  // namespace

extern "C" void matmul_avx_vnni(const struct matmul_args* a) { run_tiles<Vnni>(a); }
