#include "kernels/shared/sse.h"
#include "kernels/matmul_float/tile.h"

extern "C" matmul_fn matmul_float_sse;

namespace {

struct Sse {
  using Vec = __m128;
  static constexpr size_t kLanes = 4;
  static constexpr int kTokens = 4;  // 2 x 4 sums, and 8 registers for weights, broadcast tokens and products
  static constexpr int kAhead = 0;
  static constexpr int vectors(int tokens) { return tokens == 1 ? 8 : tokens == 2 ? 4 : 2; }
  static constexpr int step(int) { return 4; }

  static Vec zero() { return _mm_setzero_ps(); }
  static Vec set1(float x) { return _mm_set1_ps(x); }
  static Vec fmadd(Vec x, Vec y, Vec z) { return _mm_add_ps(_mm_mul_ps(x, y), z); }
  static Vec weights(const float* p) { return _mm_load_ps(p); }
  static Vec weights(const uint16_t* p) {
#ifdef LAYOUT_bf16
    const __m128i bits = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
    return _mm_castsi128_ps(_mm_unpacklo_epi16(_mm_setzero_si128(), bits));
#else
    return load_halves(p);
#endif
  }
  static Vec load(const float* p) { return ::load(p); }
  static Vec load(const float* p, size_t n) {
    alignas(16) float four[4] = {0, 0, 0, 0};
    memcpy(four, p, n * sizeof(float));
    return _mm_load_ps(four);
  }
  static void store(float* p, Vec v) { ::store(p, v); }
  static void store(float* p, size_t n, Vec v) {
    alignas(16) float four[4];
    _mm_store_ps(four, v);
    memcpy(p, four, n * sizeof(float));
  }
};

}  // namespace

extern "C" void matmul_float_sse(const struct matmul_args* a) { run_tiles<Sse>(a); }
