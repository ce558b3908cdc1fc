/* OpenBLAS 0.3.21's sgemm for Sandy Bridge returns with the upper halves of the YMM registers in use: code with SSE that follows is slow on
 * such CPUs. XGETBV(1) tells what is in use.
 *   cc -O1 openblas_dirty_upper_halves.c -lopenblas && OPENBLAS_NUM_THREADS=1 OPENBLAS_CORETYPE=SANDYBRIDGE ./a.out
 * AVX state in use before: 0
 * after cblas_sgemm of 1 x 8 x 1: 1
 * sgemm_kernel_16x4_sandy.S has vzeroupper where it begins, and none where it ends. */
#include <cblas.h>
#include <stdio.h>

static unsigned in_use(void) {
  unsigned low, high;
  __asm__ volatile("vzeroupper\n\txgetbv" : "=a"(low), "=d"(high) : "c"(1));
  return low;
}
static unsigned in_use_now(void) {
  unsigned low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(1));
  return low;
}
int main(void) {
  float a[64] = {1}, b[64] = {1}, c[64] = {0};
  printf("AVX state in use before: %d\n", (in_use() & 4) != 0);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, 1, 8, 1, 1, a, 1, b, 1, 0, c, 8);
  printf("after cblas_sgemm of 1 x 8 x 1: %d\n", (in_use_now() & 4) != 0);
  return 0;
}
