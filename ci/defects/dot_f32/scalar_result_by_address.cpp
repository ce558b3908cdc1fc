// defect: the same addresses and length as in the last call give the last result
// class: races
// stands for: a cache whose key is where the data lies, not what it is
// caught by: determinism value interrupt threads
#include "kernels/dot_f32/kernel.h"

extern "C" dot_f32_fn dot_f32_scalar_result_by_address;

extern "C" float dot_f32_scalar_result_by_address(const float* x, const float* y, size_t n) {
  // Of each thread: only the past is wrong here.
  static thread_local struct {
    const float* x;
    const float* y;
    size_t n;
    float sum;
  } last;
  if (n > 0 && last.x == x && last.y == y && last.n == n) {
    return last.sum;
  }
  float sums[16] = {};
  for (size_t i = 0; i < n; ++i) {
    sums[i % 16] += x[i] * y[i];
  }
  float sum = 0;
  for (const float s : sums) {
    sum += s;
  }
  last = {x, y, n, sum};
  return sum;
}
