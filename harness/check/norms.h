// What the trials of norms share: the kernels that norm a row, and those that add a residual to it first.
#pragma once
#include <algorithm>
#include <array>
#include <cfloat>
#include <cmath>
#include <vector>

#include "harness/check/trial.h"
#include "reference/add_f32.h"
#include "reference/layer_norm_f32.h"
#include "reference/rms_norm_f32.h"

namespace assay {

/// Ordinary and extreme eps.
inline float draw_epsilon(Rng& rng) {
  constexpr std::array<float, 8> kEps = {1e-6f, 1e-12f, 1.0f, FLT_MIN, FLT_TRUE_MIN, 3e-40f, 1e10f, FLT_MAX};
  const uint64_t r = rng.below(16);
  return r < kEps.size() ? kEps[r] : 1e-5f;
}

/// The sums of a row and its residual, against which those that a kernel wrote are held.
inline std::vector<float> judge_sum(Case& c, const float* sum, const float* x, const float* residual, size_t n) {
  std::vector<float> row(n);
  for (size_t i = 0; i < n; ++i) {
    row[i] = reference::add_f32(x[i], residual[i]);
    c.expect_bits("sum", i, sum[i], row[i]);
  }
  return row;
}

/// y against what rms_norm_f32 promises of the row x.
inline void judge_rms_norm(Case& c, const float* y, const float* x, const float* w, float epsilon, size_t n) {
  std::vector<double> want(n);
  const double mean_square = reference::rms_norm_f32(want.data(), x, w, epsilon, n);
  const double eps = static_cast<double>(epsilon);
  const double t = mean_square + eps;
  const double terms = std::ceil(static_cast<double>(n) / 16) + 5;
  const double h = 0x1p-24 * (terms / 2 + 6);
  const double e = std::sqrt(t / std::max(eps, t - 0x1p-149)) - 1;
  const double largest = std::max(mean_square * static_cast<double>(n), t) * (1 + terms * 0x1p-24);
  for (size_t i = 0; i < n; ++i) {
    const double abs_w = std::fabs(static_cast<double>(w[i]));
    if (!std::isnan(y[i]) && !std::isnan(want[i])) {
      c.expect_equal("sign of y", i, std::signbit(y[i]), std::signbit(x[i]) != std::signbit(w[i]));
    }
    if (std::isinf(mean_square)) {  // an Inf in x, no NaN: want is exact, 0 or NaN
      c.expect("y", i, y[i], {want[i], 0});
      continue;
    }
    if (largest > FLT_MAX && (y[i] == 0 || (std::isnan(y[i]) && std::isinf(abs_w)))) {
      continue;
    }
    if (std::isinf(abs_w) && std::isnan(y[i]) && std::fabs(static_cast<double>(x[i])) / std::sqrt(t) < 0x1p-148) {
      continue;
    }
    c.expect("y", i, y[i], {want[i], std::fabs(want[i]) * (h * (1 + e) + e) + (1 + abs_w) * 0x1p-149});
  }
}

// The terms of the bound in kernel.h that are the same for the whole row.
struct LayerNormBound {
  LayerNormBound(const reference::LayerNormRow& row, float epsilon, size_t n) : mean(row.mean) {
    const double c = std::ceil(static_cast<double>(n) / 16) + 8;
    const double count = static_cast<double>(n);
    const double eps = static_cast<double>(epsilon);
    const double v = row.variance;
    const double t = v + eps;
    dm = c * 0x1p-24 * row.mean_abs + 0x1p-149;
    const double dl = (c + 6) * 0x1p-24 * v + 0x1p-149;
    const double dh = dl + 2 * dm * dm;
    s = std::sqrt(t);
    s_high = std::sqrt(t + dh);
    g = std::max(std::sqrt(t / std::max(eps, t - dl)) - 1, 1 - s / s_high) + 6 * 0x1p-24;
    out_of_range = count * row.mean_abs * (1 + c * 0x1p-24) > FLT_MAX ||
                   count * (v + dm * dm) * (1 + (c + 6) * 0x1p-24) > FLT_MAX || t * (1 + (c + 6) * 0x1p-24) > FLT_MAX;
  }

  double mean, dm, s, s_high, g;
  bool out_of_range;
};

// The class, but half of `cancellation` has a mean that is large for the variance: what E[x^2] - m^2 gets wrong.
inline void fill_row(std::span<float> x, InputClass input_class, Rng& rng) {
  if (input_class != InputClass::cancellation || rng.below(2) == 0) {
    fill_class(x, input_class, rng);
    return;
  }
  const float base = std::ldexp(1.0f + rng.uniform(), static_cast<int>(rng.between(0, 20)));
  const float spread = std::ldexp(base, -static_cast<int>(rng.between(1, 23)));
  for (float& v : x) {
    v = base + spread * rng.normal();
  }
}

inline Expected expected_of_layer_norm(const LayerNormBound& row, float x, float w, float b, double want) {
  const double d = std::fabs(static_cast<double>(x) - row.mean);
  if (std::isinf(w) && !std::isnan(d) && (d <= row.dm || d / row.s_high < 0x1p-148)) {
    return {std::nan(""), 0, true};
  }
  const double abs_w = std::fabs(static_cast<double>(w));
  const double abs_b = std::fabs(static_cast<double>(b));
  const double error = (row.dm + 2 * 0x1p-24 * d + d * row.g) * (1 + row.g);
  const double bound = abs_w / row.s * error + 3 * 0x1p-24 * (std::fabs(want) + abs_b) + (1 + abs_w) * 0x1p-149;
  return {want, bound, abs_w / row.s * (d + error) > FLT_MAX && !std::isinf(w)};
}

/// y against what layer_norm_f32 promises of the row x.
inline void judge_layer_norm(Case& c, const float* y, const float* x, const float* w, const float* b, float eps,
                             size_t n) {
  std::vector<double> want(n);
  const LayerNormBound row(reference::layer_norm_f32(want.data(), x, w, b, eps, n), eps, n);
  for (size_t i = 0; i < n; ++i) {
    if (row.out_of_range && (std::isnan(y[i]) || y[i] == b[i])) {
      continue;
    }
    c.expect("y", i, y[i], expected_of_layer_norm(row, x[i], w[i], b[i], want[i]));
  }
}

}  // namespace assay
