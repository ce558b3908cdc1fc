#pragma once
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

// What SSE code shares. All is static: objects of different ISAs share no function.

static inline __m128 load(const float* p) { return _mm_loadu_ps(p); }
static inline __m128i load(const int32_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
static inline void store(float* p, __m128 v) { _mm_storeu_ps(p, v); }
static inline void store(int32_t* p, __m128i v) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), v); }

// The lowest lane; the others are 0.
static inline __m128 load_one(const float* p) { return _mm_load_ss(p); }
static inline __m128i load_one(const int32_t* p) { return _mm_cvtsi32_si128(*p); }
static inline void store_one(float* p, __m128 v) { _mm_store_ss(p, v); }
static inline void store_one(int32_t* p, __m128i v) { *p = _mm_cvtsi128_si32(v); }

// Four fp16, exactly: the exponent and fraction go to their places in a float, and a product corrects the bias.
static inline __m128 load_halves(const void* p) {
  const __m128i h = _mm_cvtepu16_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(p)));
  const __m128i magnitude = _mm_and_si128(h, _mm_set1_epi32(0x7fff));
  const __m128 value = _mm_mul_ps(_mm_castsi128_ps(_mm_slli_epi32(magnitude, 13)), _mm_set1_ps(0x1p112f));
  const __m128i special = _mm_cmpgt_epi32(magnitude, _mm_set1_epi32(0x7bff));  // Inf and NaN
  const __m128i sign = _mm_slli_epi32(_mm_andnot_si128(_mm_set1_epi32(0x7fff), h), 16);
  const __m128i bits = _mm_or_si128(_mm_and_si128(special, _mm_set1_epi32(0x7f800000)), sign);
  return _mm_or_ps(value, _mm_castsi128_ps(bits));
}

// The bits of |x|. Magnitudes are ordered as their bits are, NaN above Inf above all numbers.
static inline __m128i magnitude(__m128 x) { return _mm_and_si128(_mm_castps_si128(x), _mm_set1_epi32(0x7fffffff)); }

static inline float add_lanes(__m128 v) {
  const __m128 pairs = _mm_add_ps(v, _mm_movehl_ps(v, v));
  return _mm_cvtss_f32(_mm_add_ss(pairs, _mm_movehdup_ps(pairs)));
}

static inline float add_up(const __m128 (&s)[4]) {
  return add_lanes(_mm_add_ps(_mm_add_ps(s[0], s[1]), _mm_add_ps(s[2], s[3])));
}

// How a round stores its vectors. Together behind the last f: the chains of a long f are in flight at once. One by one:
// faster for a short f, by a third to a half where data comes from L2 (measured on a Xeon of model 207).
enum Stores { kOneByOne, kTogether };

// z[i] = f(inputs[i]...), kVectors vectors a round.
template <size_t kVectors, Stores kStores = kOneByOne, class T, class F, class... Inputs>
static inline __attribute__((always_inline)) void elementwise(T* z, size_t n, F f, const Inputs*... inputs) {
  size_t i = 0;
  for (; i + 4 * kVectors <= n; i += 4 * kVectors) {
    if constexpr (kStores == kTogether) {
      decltype(load(z)) v[kVectors];
#pragma GCC unroll 4
      for (size_t j = 0; j < kVectors; ++j) {
        v[j] = f(load(inputs + i + 4 * j)...);
      }
#pragma GCC unroll 4
      for (size_t j = 0; j < kVectors; ++j) {
        store(z + i + 4 * j, v[j]);
      }
    } else {
#pragma GCC unroll 4
      for (size_t j = 0; j < kVectors; ++j) {
        store(z + i + 4 * j, f(load(inputs + i + 4 * j)...));
      }
    }
  }
  for (; i + 4 <= n; i += 4) {
    store(z + i, f(load(inputs + i)...));
  }
  for (; i < n; ++i) {
    store_one(z + i, f(load_one(inputs + i)...));
  }
}

// The sum over n elements of what whole(s, i), for the vector from i on, and rest(s, i), for each of the last, which are no vector, add to s.
// Four accumulators of four lanes hide the latency of the addition (3-4 cycles) at one addition a cycle.
template <class Whole, class Rest>
static inline __attribute__((always_inline)) float sum_over(size_t n, Whole whole, Rest rest) {
  __m128 s[4] = {_mm_setzero_ps(), _mm_setzero_ps(), _mm_setzero_ps(), _mm_setzero_ps()};
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) {
      s[j] = whole(s[j], i + 4 * j);
    }
  }
  for (; i + 4 <= n; i += 4) {
    s[0] = whole(s[0], i);
  }
  for (; i < n; ++i) {
    s[1] = rest(s[1], i);
  }
  return add_up(s);
}

// The sum of what f(s, inputs[i]...) adds to s, which must be 0 where the inputs are 0.
template <class F, class... Inputs>
static inline __attribute__((always_inline)) float accumulate(size_t n, F f, const Inputs*... inputs) {
  const auto whole = [&](__m128 s, size_t i) { return f(s, load(inputs + i)...); };
  const auto rest = [&](__m128 s, size_t i) { return f(s, load_one(inputs + i)...); };
  return sum_over(n, whole, rest);
}

// z[i] = f(inputs[i]...), and the sum of what g(s, z[i]) adds to s; f and g are 0 where the inputs are 0.
template <class F, class G, class... Inputs>
static inline __attribute__((always_inline)) float accumulate_to(float* z, size_t n, F f, G g,
                                                                 const Inputs*... inputs) {
  const auto whole = [&](__m128 s, size_t i) {
    const __m128 v = f(load(inputs + i)...);
    store(z + i, v);
    return g(s, v);
  };
  const auto rest = [&](__m128 s, size_t i) {
    const __m128 v = f(load_one(inputs + i)...);
    store_one(z + i, v);
    return g(s, v);
  };
  return sum_over(n, whole, rest);
}

// exp64 of scalar.h.
static inline __m128 exp64(__m128 z) {
  z = _mm_max_ps(_mm_set1_ps(-110.0f), z);  // in this order a NaN in z stays
  const __m128 shift = _mm_set1_ps(0x1.8p23f + 191);
  const __m128 shifted = _mm_add_ps(_mm_mul_ps(z, _mm_set1_ps(0x1.715476p0f)), shift);
  const __m128 n = _mm_sub_ps(shifted, shift);
  const __m128 power = _mm_castsi128_ps(_mm_slli_epi32(_mm_castps_si128(shifted), 23));
  const __m128 high = _mm_sub_ps(z, _mm_mul_ps(n, _mm_set1_ps(0.693359375f)));
  const __m128 r = _mm_sub_ps(high, _mm_mul_ps(n, _mm_set1_ps(-2.12194440e-4f)));
  __m128 p = _mm_set1_ps(0x1.6a23d0p-10f);
  p = _mm_add_ps(_mm_mul_ps(p, r), _mm_set1_ps(0x1.123a20p-7f));
  p = _mm_add_ps(_mm_mul_ps(p, r), _mm_set1_ps(0x1.5558f2p-5f));
  p = _mm_add_ps(_mm_mul_ps(p, r), _mm_set1_ps(0x1.555492p-3f));
  p = _mm_add_ps(_mm_mul_ps(p, r), _mm_set1_ps(0x1.fffffcp-2f));
  p = _mm_add_ps(_mm_mul_ps(_mm_mul_ps(r, r), p), r);
  return _mm_mul_ps(_mm_add_ps(p, _mm_set1_ps(1.0f)), power);
}
