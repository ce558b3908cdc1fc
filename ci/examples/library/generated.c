/* Dot products by code that is made for their lengths. Exit status 1 if a result is wrong, 3 if nothing could be made here. */
#include <stdio.h>

#include "assay/generators.h"
#include "assay/kernels.h"

enum { most = 200 };

/* How many results of the label's code are wrong. */
static int wrong_of(const char* label, const float* x, const float* y) {
  int wrong = 0;
  for (size_t n = 0; n <= most; n += 13) {
    const size_t shape[] = {n};
    const assay_any_fn code = assay_generate("dot_f32", label, shape, NULL);
    if (code == NULL) {
      printf("%s: not tried: this CPU does not run it, or the system forbids it\n", label);
      return -1;
    }
    float sum = 0; /* of integers that floats hold: exact */
    for (size_t i = 0; i < n; ++i) {
      sum += x[i] * y[i];
    }
    wrong += ((dot_f32_fn*)code)(x, y, n) != sum;
    wrong += assay_generate("dot_f32", label, shape, NULL) != code;
  }
  printf("%s: %d results are wrong\n", label, wrong);
  return wrong;
}

int main(void) {
  float x[most], y[most];
  for (int i = 0; i < most; ++i) {
    x[i] = (float)(i % 17 - 8);
    y[i] = (float)(i % 5 - 1);
  }
  const size_t shape[] = {most};
  if (assay_generate("dot_f32", "avx2", shape, NULL) != NULL ||
      assay_generate("dot", "jit_avx2", shape, NULL) != NULL) {
    puts("code was made for a name that there is not");
    return 1;
  }
  const int avx2 = wrong_of("jit_avx2", x, y), avx512 = wrong_of("jit_avx512", x, y);
  return avx2 > 0 || avx512 > 0 ? 1 : avx2 < 0 && avx512 < 0 ? 3 : 0;
}
