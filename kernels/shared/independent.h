#pragma once

/// Before a loop: what an iteration writes no other one reads or writes, so a compiler may take several at once.
#ifdef __clang__
#define INDEPENDENT_ITERATIONS _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT_ITERATIONS _Pragma("GCC ivdep")
#endif
