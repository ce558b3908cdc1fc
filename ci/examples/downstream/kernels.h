#pragma once
#include <stddef.h>

/** z[i] = x[i] + y[i]. */
void downstream_add(float* z, const float* x, const float* y, size_t n);
/** The sum of x[i] * y[i]. */
float downstream_dot(const float* x, const float* y, size_t n);
