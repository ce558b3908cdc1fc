/* BLIS 0.9.0's sgemm for Haswell, Zen, Zen 2 and Zen 3 reads behind the end of its first factor: where a block of rows leaves one over and k is
 * no multiple of 8, bli_sgemmsup_rd_haswell_asm_1x16n reads the next row as well. Known: https://github.com/flame/blis/issues/821, repaired
 * since.
 *   cc -O1 blis_reads_behind.c -lblis && BLIS_ARCH_TYPE=3 ./a.out          3: Haswell, in 0.9.0
 * Segmentation fault
 * and with BLIS_ARCH_TYPE=4, Sandy Bridge:
 * 3 is right: 3 */
#include <stdio.h>
#include <sys/mman.h>

#include <cblas.h>

int main(void) {
  enum { m = 4, n = 16, k = 3, page = 4096 };
  /* x ends with its page, and the next one may not be read. */
  char* pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(pages + page, page, PROT_NONE);
  float* x = (float*)(pages + page) - m * k;
  float w[n * k], y[m * n];
  for (int i = 0; i < m * k; ++i) x[i] = 1;
  for (int i = 0; i < n * k; ++i) w[i] = 1;
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, 1, x, k, w, k, 0, y, n);
  printf("%d is right: %g\n", k, y[0]);
  return 0;
}
