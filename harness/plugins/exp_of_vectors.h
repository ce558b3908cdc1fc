// exp_f32 by a library's function of whole vectors.
#pragma once
#include <immintrin.h>

#include <cstddef>
#include <cstring>

// Defines a pointer to the function, <label>_of_vector, and the kernel that calls it; what is left behind the last vector is padded with
// zeroes. A macro, as the calling convention of vectors depends on the target, which a template cannot be given.
#define EXP_OF_VECTORS(label, isa, Vector)                                      \
  Vector (*label##_of_vector)(Vector);                                          \
  __attribute__((target(isa))) void label(float* y, const float* x, size_t n) { \
    constexpr size_t lanes = sizeof(Vector) / sizeof(float);                    \
    Vector v;                                                                   \
    for (; n >= lanes; n -= lanes, x += lanes, y += lanes) {                    \
      std::memcpy(&v, x, sizeof v);                                             \
      v = label##_of_vector(v);                                                 \
      std::memcpy(y, &v, sizeof v);                                             \
    }                                                                           \
    if (n != 0) {                                                               \
      float rest[lanes] = {};                                                   \
      for (size_t i = 0; i < n; ++i) {                                          \
        rest[i] = x[i];                                                         \
      }                                                                         \
      std::memcpy(&v, rest, sizeof v);                                          \
      v = label##_of_vector(v);                                                 \
      std::memcpy(rest, &v, sizeof v);                                          \
      for (size_t i = 0; i < n; ++i) {                                          \
        y[i] = rest[i];                                                         \
      }                                                                         \
    }                                                                           \
  }
