/* Variants that do not keep their contracts and say so, or should: harness/cli/plugin_test.cpp. */
#include <string.h>

#include "assay/plugin.h"
#include "kernels/add_f32/kernel.h"
#include "kernels/dot_f32/kernel.h"

/* One running sum, where the contract asks for 16. */
static float one_sum(const float* x, const float* y, size_t n) {
  float sum = 0;
  for (size_t i = 0; i < n; ++i) {
    sum += x[i] * y[i];
  }
  return sum;
}

static float many_sums(const float* x, const float* y, size_t n) {
  float sums[32] = {0};
  for (size_t i = 0; i < n; ++i) {
    sums[i % 32] += x[i] * y[i];
  }
  for (size_t half = 16; half > 0; half /= 2) {
    for (size_t j = 0; j < half; ++j) {
      sums[j] += sums[j + half];
    }
  }
  return sums[0];
}

/* Whole blocks alone. */
static void blocks(float* z, const float* x, const float* y, size_t n) {
  for (size_t i = 0; i < n / 32 * 32; ++i) {
    z[i] = x[i] + y[i];
  }
}

/* Flushes nothing, but makes every NaN and Inf a 0. */
static void finite_only(float* z, const float* x, const float* y, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    const float sum = x[i] + y[i];
    z[i] = sum - sum == 0 ? sum : 0;
  }
}

/* Needs vectors at multiples of 16 bytes, and reads whole ones. */
static void aligned(float* z, const float* x, const float* y, size_t n) {
  typedef float v4 __attribute__((vector_size(16)));
  for (size_t i = 0; i < n; i += 4) {
    v4 a, b;
    __asm__ volatile("movaps %1, %0" : "=x"(a) : "m"(*(const v4*)(x + i)));
    __asm__ volatile("movaps %1, %0" : "=x"(b) : "m"(*(const v4*)(y + i)));
    a += b;
    memcpy(z + i, &a, (n - i < 4 ? n - i : 4) * sizeof(float));
  }
}

/* Zeroes what it will write before it reads. */
static void apart(float* z, const float* x, const float* y, size_t n) {
  memset(z, 0, n * sizeof(float));
  for (size_t i = 0; i < n; ++i) {
    z[i] = x[i] + y[i];
  }
}

/* Keeps its sum in a variable of the library. */
static float kept;
static float with_state(const float* x, const float* y, size_t n) {
  volatile float* sum = &kept;
  *sum = 0;
  const float all = many_sums(x, y, n);
  *sum = all;
  return *sum;
}

/* Writes behind the end: no claim allows that. */
static void beyond(float* z, const float* x, const float* y, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    z[i] = x[i] + y[i];
  }
  z[n] = 0;
}

#define CLAIM(item, value) "{\"" item "\": {\"value\": " value ", \"because\": \"the test says so\"}}"
#define DOT(label, run, claim) ASSAY_CLAIMED_VARIANT("dot_f32", label, 2, NULL, run, claim)
#define ADD(label, run, claim) ASSAY_CLAIMED_VARIANT("add_f32", label, 1, NULL, run, claim)

ASSAY_PLUGIN("claims", "1", "MIT", DOT("sum", one_sum, CLAIM("bound_factor", "16")), DOT("sum-strict", one_sum, NULL),
             DOT("sum-broken", one_sum, CLAIM("bound_factor", "1.01")),
             DOT("sum-needless", many_sums, CLAIM("bound_factor", "16")),
             DOT("state", with_state, CLAIM("reentrant", "false")), DOT("state-strict", with_state, NULL),
             ADD("blocks", blocks, CLAIM("multiple_of", "{\"n\": 32}")), ADD("blocks-strict", blocks, NULL),
             ADD("finite", finite_only, CLAIM("exclude", "[\"special\", \"huge\", \"extreme\", \"any_bits\"]")),
             ADD("finite-strict", finite_only, NULL),
             ADD("aligned", aligned,
                 "{\"align\": {\"value\": 16, \"because\": \"movaps\"},"
                 " \"over_read\": {\"value\": 12, \"because\": \"whole vectors\"}}"),
             ADD("aligned-strict", aligned, NULL), ADD("apart", apart, CLAIM("alias", "false")),
             ADD("apart-strict", apart, NULL), DOT("short", one_sum, CLAIM("most", "{\"n\": 8}")),
             ADD("beyond", beyond, CLAIM("over_read", "64")))
