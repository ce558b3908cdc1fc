#include "reference/softmax_f32.h"

#include <cmath>
#include <limits>

namespace reference {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

double moved_by_rounding(double t, double max) { return std::fabs(t) + std::fabs(max) + std::fabs(t - max); }

}  // namespace

SoftmaxRow softmax_f32_row(const float* x, float scale, size_t n) {
  SoftmaxRow row{false, -kInf, 0, 0};
  for (size_t i = 0; i < n; ++i) {
    const double t = static_cast<double>(scale) * static_cast<double>(x[i]);
    row.nan = row.nan || std::isnan(t) || t == kInf;
    row.max = t > row.max ? t : row.max;
  }
  if (row.nan) {
    return row;
  }
  double moved = 0;
  for (size_t i = 0; i < n; ++i) {
    const double t = static_cast<double>(scale) * static_cast<double>(x[i]);
    if (t != -kInf) {
      const double e = std::exp(t - row.max);
      row.sum += e;
      moved += e * moved_by_rounding(t, row.max);
    }
  }
  row.mean_moved = row.sum > 0 ? moved / row.sum : 0;
  return row;
}

Softmax softmax_f32(float x, float scale, const SoftmaxRow& row) {
  if (row.nan) {
    constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
    return {kNan, kNan, 0};
  }
  const double t = static_cast<double>(scale) * static_cast<double>(x);
  if (t == -kInf) {
    return {0, -kInf, 0};
  }
  const double difference = t - row.max;
  return {std::exp(difference) / row.sum, difference - std::log(row.sum), moved_by_rounding(t, row.max)};
}

}  // namespace reference
