/* ORC 0.4.33 leaves FTZ and DAZ set in the thread that calls what it compiled: seen through VOLK 2.5.2, which uses it.
 *   cc -O1 orc_leaves_flush_to_zero.c -lvolk && ./a.out
 * MXCSR before 0x1f80
 * MXCSR after  0x9fc0; 1e-40 + 0 = 0
 * and now 1e-40 * 1 = 0
 * orc_sse_restore_mxcsr loads the modified word (params[ORC_VAR_A4]) in place of the saved one (params[ORC_VAR_C1]). */
#include <stdio.h>
#include <volk/volk.h>
#include <xmmintrin.h>

int main(void) {
  float z, x = 1e-40f, y = 0;
  printf("MXCSR before %#x\n", _mm_getcsr());
  volk_32f_x2_add_32f_manual(&z, &x, &y, 1, "u_orc");
  printf("MXCSR after  %#x; 1e-40 + 0 = %g\n", _mm_getcsr(), z);
  volatile float again = x;
  printf("and now 1e-40 * 1 = %g\n", again * 1.0f);
  return 0;
}
