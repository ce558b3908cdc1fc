#include "kernels/shared/avx2.h"
#include "kernels/matmul_float/tile.h"

extern "C" matmul_fn matmul_float_avx2;

namespace {

struct Avx2 {
  using Vec = __m256;
  static constexpr size_t kLanes = 8;
  // 2 x 6 sums, 2 vectors of weights and the broadcast tokens fill the 16 registers; 12 fused multiply-adds a column wait for 8
  // loads. Up to three tokens take whole panels: 4 x 3 sums.
  static constexpr int kTokens = 6;
  static constexpr int kAhead = 2048;  // from L2 or beyond
  static constexpr int vectors(int tokens) { return tokens <= 3 ? 4 : 2; }
  static constexpr int step(int) { return 4; }

  static Vec zero() { return _mm256_setzero_ps(); }
  static Vec set1(float x) { return _mm256_set1_ps(x); }
  static Vec fmadd(Vec x, Vec y, Vec z) { return _mm256_fmadd_ps(x, y, z); }
  static Vec weights(const float* p) { return _mm256_loadu_ps(p); }
  static Vec weights(const uint16_t* p) {
    const __m128i bits = _mm_load_si128(reinterpret_cast<const __m128i*>(p));
#ifdef LAYOUT_bf16
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
#else
    return _mm256_cvtph_ps(bits);
#endif
  }
  static Vec load(const float* p) { return ::load(p); }
  static Vec load(const float* p, size_t n) { return ::load(p, mask_of(n)); }
  static void store(float* p, Vec v) { ::store(p, v); }
  static void store(float* p, size_t n, Vec v) { ::store(p, mask_of(n), v); }
};

}  // namespace

extern "C" void matmul_float_avx2(const struct matmul_args* a) { run_tiles<Avx2>(a); }
