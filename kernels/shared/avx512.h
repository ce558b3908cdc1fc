#pragma once
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// What AVX-512 code shares. All is static: objects of different ISAs share no function.

// The first n of sixteen lanes, n < 16.
static inline __mmask16 mask_of(size_t n) { return static_cast<__mmask16>((1u << n) - 1); }

// Lanes that are masked are not read, and 0; they are not written.
static inline __m512 load(const float* p) { return _mm512_loadu_ps(p); }
static inline __m512 load(const float* p, __mmask16 mask) { return _mm512_maskz_loadu_ps(mask, p); }
static inline void store(float* p, __m512 v) { _mm512_storeu_ps(p, v); }
static inline void store(float* p, __mmask16 mask, __m512 v) { _mm512_mask_storeu_ps(p, mask, v); }
static inline __m512i load(const int32_t* p) { return _mm512_loadu_si512(p); }
static inline __m512i load(const int32_t* p, __mmask16 mask) { return _mm512_maskz_loadu_epi32(mask, p); }
static inline void store(int32_t* p, __m512i v) { _mm512_storeu_si512(p, v); }
static inline void store(int32_t* p, __mmask16 mask, __m512i v) { _mm512_mask_storeu_epi32(p, mask, v); }

// The bits of |x|. Magnitudes are ordered as their bits are, NaN above Inf above all numbers.
static inline __m512i magnitude(__m512 x) {
  return _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff));
}

static inline float add_up(const __m512 (&s)[4]) {
  return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s[0], s[1]), _mm512_add_ps(s[2], s[3])));
}

static inline float add_up(const __m512 (&s)[8]) {
  const __m512 a = _mm512_add_ps(_mm512_add_ps(s[0], s[1]), _mm512_add_ps(s[2], s[3]));
  const __m512 b = _mm512_add_ps(_mm512_add_ps(s[4], s[5]), _mm512_add_ps(s[6], s[7]));
  return _mm512_reduce_add_ps(_mm512_add_ps(a, b));
}

// x as fp16, to nearest even, to the two bytes at p.
static inline void store_half(void* p, __m128 x) {
  const __m128i half = _mm_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT);
  const uint16_t bits = static_cast<uint16_t>(_mm_extract_epi16(half, 0));
  memcpy(p, &bits, sizeof bits);
}

// How a round stores its vectors. Together behind the last f: the chains of a long f are in flight at once. One by one:
// faster for a short f, by a third to a half where data comes from L2 (measured on a Xeon of model 207).
enum Stores { kOneByOne, kTogether };

// z[i] = f(inputs[i]...), kVectors vectors a round.
template <size_t kVectors, Stores kStores = kOneByOne, class T, class F, class... Inputs>
static inline __attribute__((always_inline)) void elementwise(T* z, size_t n, F f, const Inputs*... inputs) {
  size_t i = 0;
  for (; i + 16 * kVectors <= n; i += 16 * kVectors) {
    if constexpr (kStores == kTogether) {
      decltype(load(z)) v[kVectors];
#pragma GCC unroll 4
      for (size_t j = 0; j < kVectors; ++j) {
        v[j] = f(load(inputs + i + 16 * j)...);
      }
#pragma GCC unroll 4
      for (size_t j = 0; j < kVectors; ++j) {
        store(z + i + 16 * j, v[j]);
      }
    } else {
#pragma GCC unroll 4
      for (size_t j = 0; j < kVectors; ++j) {
        store(z + i + 16 * j, f(load(inputs + i + 16 * j)...));
      }
    }
  }
  for (; i + 16 <= n; i += 16) {
    store(z + i, f(load(inputs + i)...));
  }
  if (i < n) {
    const __mmask16 mask = mask_of(n - i);
    store(z + i, mask, f(load(inputs + i, mask)...));
  }
}

// The sum over n elements of what whole(s, i), for the vector from i on, and rest(s, i, mask), for the last, add to s.
// Eight accumulators: two FMAs a cycle times a latency of four.
template <class Whole, class Rest>
static inline __attribute__((always_inline)) float sum_over(size_t n, Whole whole, Rest rest) {
  __m512 s[8];
  for (int j = 0; j < 8; ++j) {
    s[j] = _mm512_setzero_ps();
  }
  size_t i = 0;
  for (; i + 128 <= n; i += 128) {
#pragma GCC unroll 8
    for (size_t j = 0; j < 8; ++j) {
      s[j] = whole(s[j], i + 16 * j);
    }
  }
  for (; i + 16 <= n; i += 16) {
    s[0] = whole(s[0], i);
  }
  if (i < n) {
    s[1] = rest(s[1], i, mask_of(n - i));
  }
  return add_up(s);
}

// The sum of what f(s, inputs[i]...) adds to s, which must be 0 where the inputs are 0.
template <class F, class... Inputs>
static inline __attribute__((always_inline)) float accumulate(size_t n, F f, const Inputs*... inputs) {
  const auto whole = [&](__m512 s, size_t i) { return f(s, load(inputs + i)...); };
  const auto rest = [&](__m512 s, size_t i, __mmask16 mask) { return f(s, load(inputs + i, mask)...); };
  return sum_over(n, whole, rest);
}

// z[i] = f(inputs[i]...), and the sum of what g(s, z[i]) adds to s; f and g are 0 where the inputs are 0.
template <class F, class G, class... Inputs>
static inline __attribute__((always_inline)) float accumulate_to(float* z, size_t n, F f, G g,
                                                                 const Inputs*... inputs) {
  const auto whole = [&](__m512 s, size_t i) {
    const __m512 v = f(load(inputs + i)...);
    store(z + i, v);
    return g(s, v);
  };
  const auto rest = [&](__m512 s, size_t i, __mmask16 mask) {
    const __m512 v = f(load(inputs + i, mask)...);
    store(z + i, mask, v);
    return g(s, v);
  };
  return sum_over(n, whole, rest);
}

// exp64 of scalar.h.
static inline __m512 exp64(__m512 z) {
  z = _mm512_max_ps(_mm512_set1_ps(-110.0f), z);  // in this order a NaN in z stays
  const __m512 shift = _mm512_set1_ps(0x1.8p23f + 191);
  const __m512 shifted = _mm512_fmadd_ps(z, _mm512_set1_ps(0x1.715476p0f), shift);
  const __m512 n = _mm512_sub_ps(shifted, shift);
  const __m512 power = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(shifted), 23));
  const __m512 high = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), z);
  const __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), high);
  __m512 p = _mm512_set1_ps(0x1.6a23d0p-10f);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.123a20p-7f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.5558f2p-5f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.555492p-3f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.fffffcp-2f));
  p = _mm512_fmadd_ps(_mm512_mul_ps(r, r), p, r);
  return _mm512_mul_ps(_mm512_add_ps(p, _mm512_set1_ps(1.0f)), power);
}
