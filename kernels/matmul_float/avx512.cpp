#include "kernels/shared/avx512.h"
#include "kernels/matmul_float/tile.h"

extern "C" matmul_fn matmul_float_avx512;

namespace {

struct Avx512 {
  using Vec = __m512;
  static constexpr size_t kLanes = 16;
  // 2 x 12 sums, 2 vectors of weights and the broadcast tokens fill the 32 registers; 24 fused multiply-adds a column wait for
  // 14 loads.
  static constexpr int kTokens = 12;
  static constexpr int kAhead = 2048;  // from L2 or beyond
  static constexpr int vectors(int) { return 2; }
  // With 8 for one token a Zen 5 takes 1.5 to 1.8 times as long where cols is 7 more than a multiple of 8 (with 16, at every
  // cols): measured; presumably its prefetcher and the strides that each load then has.
  static constexpr int step(int tokens) { return tokens <= 6 ? 4 : 2; }

  static Vec zero() { return _mm512_setzero_ps(); }
  static Vec set1(float x) { return _mm512_set1_ps(x); }
  static Vec fmadd(Vec x, Vec y, Vec z) { return _mm512_fmadd_ps(x, y, z); }
  static Vec weights(const float* p) { return _mm512_loadu_ps(p); }
  static Vec weights(const uint16_t* p) {
    const __m256i bits = _mm256_load_si256(reinterpret_cast<const __m256i*>(p));
#ifdef LAYOUT_bf16
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
#else
    return _mm512_cvtph_ps(bits);
#endif
  }
  static Vec load(const float* p) { return ::load(p); }
  static Vec load(const float* p, size_t n) { return ::load(p, mask_of(n)); }
  static void store(float* p, Vec v) { ::store(p, v); }
  static void store(float* p, size_t n, Vec v) { ::store(p, mask_of(n), v); }
};

}  // namespace

extern "C" void matmul_float_avx512(const struct matmul_args* a) { run_tiles<Avx512>(a); }
