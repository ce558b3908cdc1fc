#pragma once
// What the tests of the sampler share; only they include it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstddef>
#include <vector>

namespace assay {

/// Softmax by its definition, with the domain of kernel softmax_f32 asserted. An element of -Inf is masked.
inline void softmax_by_definition(float* y, const float* x, float scale, size_t n) {
  EXPECT_GT(scale, 0);
  EXPECT_TRUE(std::isfinite(scale));
  std::vector<double> t(n);
  double largest = -INFINITY;
  for (size_t i = 0; i < n; ++i) {
    t[i] = static_cast<double>(scale) * static_cast<double>(x[i]);
    if (x[i] != -INFINITY) {
      EXPECT_LE(std::fabs(t[i]), static_cast<double>(FLT_MAX) / 2);
    }
    largest = std::max(largest, t[i]);
  }
  double sum = 0;
  for (auto& v : t) {
    v = std::exp(v - largest);
    sum += v;
  }
  for (size_t i = 0; i < n; ++i) {
    y[i] = static_cast<float>(t[i] / sum);
  }
}

}  // namespace assay
