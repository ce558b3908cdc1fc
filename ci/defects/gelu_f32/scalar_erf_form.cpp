// defect: 0.5 x erfc(-x / sqrt 2): the other GELU
// class: operands
// stands for: another function of the same name
// caught by: value
#include <cmath>

#include "kernels/gelu_f32/kernel.h"

extern "C" gelu_f32_fn gelu_f32_scalar_erf_form;

extern "C" void gelu_f32_scalar_erf_form(float* y, const float* x, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    const double v = static_cast<double>(x[i]);
    y[i] = v < -20 ? -0.0f : static_cast<float>(v * 0.5 * std::erfc(-v * 0.70710678118654752));
  }
}
