/* The dot product with 32 partial sums, as a compiler vectorises it:
 *   cc -O3 -march=x86-64-v3 -shared -fPIC -I INCLUDE dot.c -o dot.so
 * INCLUDE is the folder with assay/ and kernels/: of an installed assay $(pkg-config --variable=includedir assay). */
#include "assay/plugin.h"
#include "kernels/dot_f32/kernel.h"

static float dot(const float* x, const float* y, size_t n) {
  float sums[32] = {0};
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    for (size_t j = 0; j < 32; ++j) {
      sums[j] += x[i + j] * y[i + j];
    }
  }
  for (; i < n; ++i) {
    sums[i % 32] += x[i] * y[i];
  }
  for (size_t half = 16; half > 0; half /= 2) {
    for (size_t j = 0; j < half; ++j) {
      sums[j] += sums[j + half];
    }
  }
  return sums[0];
}

ASSAY_PLUGIN("example", "1.0", "MIT", ASSAY_VARIANT("dot_f32", "sums32", 2, "v3", dot))
