// defect: the inline assembly uses ebx and does not say so
// class: state
// stands for: a clobber missing from an asm statement, as with CPUID
// caught by: register
#include "kernels/add_i32/kernel.h"

extern "C" add_i32_fn add_i32_scalar_rbx_clobbered;

extern "C" void add_i32_scalar_rbx_clobbered(int32_t* z, const int32_t* x, const int32_t* y, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    asm("movl %1, %%ebx\n\taddl %2, %%ebx\n\tmovl %%ebx, %0" : "=m"(z[i]) : "m"(x[i]), "m"(y[i]) : "cc");
  }
}
