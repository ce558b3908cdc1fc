#pragma once

/// x rounded to an integer, halves to the even one (MXCSR as every function finds it); |x| < 2^31.
static inline int round_to_int(float x) {
#ifdef __clang__
  return static_cast<int>(__builtin_lrintf(x));
#else
  return __builtin_irintf(x);  // 32 bits, which GCC vectorises where lrintf has 64
#endif
}
