#include "reference/attention_f32.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace reference {

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kLeast = std::numeric_limits<double>::min();  // only a masked key weighs exactly 0

}  // namespace

AttentionRow attention_f32_row(const float* q, const float* k, size_t ldk, size_t m, size_t d, float scale,
                               float softcap) {
  AttentionRow row{std::vector<double>(m), false, -kInf, 0, 0, 0, 0};
  for (size_t j = 0; j < m; ++j) {
    double dot = 0;
    double dot_abs = 0;
    for (size_t e = 0; e < d; ++e) {
      const double product = static_cast<double>(q[e]) * static_cast<double>(k[j * ldk + e]);
      dot += product;
      dot_abs += std::isfinite(product) ? std::fabs(product) : 0;
    }
    const double scaled = static_cast<double>(scale) * dot;
    const auto cap = static_cast<double>(softcap);
    const double score = cap != 0 ? cap * std::tanh(scaled / cap) : scaled;
    row.weights[j] = score;
    row.nan = row.nan || std::isnan(score) || score == kInf;
    row.max_score = std::max(row.max_score, std::isfinite(score) ? std::fabs(score) : 0);
    row.max_dot_abs = std::max(row.max_dot_abs, dot_abs);
    row.largest = score > row.largest ? score : row.largest;
  }
  row.max_score_abs = static_cast<double>(scale) * row.max_dot_abs;
  for (double& w : row.weights) {
    w = w == -kInf ? 0 : std::max(std::exp(w - row.largest), kLeast);
    row.sum += w;
  }
  for (double& w : row.weights) {
    w = row.sum == 0 ? 0 : w / row.sum;
  }
  return row;
}

AttentionRow join_attention_f32(const float* stats, size_t lds, size_t n_parts) {
  AttentionRow row{std::vector<double>(n_parts), false, -kInf, 0, 0, 0, 0};
  for (size_t p = 0; p < n_parts; ++p) {
    row.largest = std::max(row.largest, static_cast<double>(stats[p * lds]));
    row.nan = row.nan || std::isnan(stats[p * lds + 1]);
  }
  for (size_t p = 0; p < n_parts; ++p) {
    const auto largest = static_cast<double>(stats[p * lds]);
    if (largest != -kInf) {
      row.max_score = std::max(row.max_score, row.largest - largest);
      row.weights[p] = std::max(std::exp(largest - row.largest), kLeast) * static_cast<double>(stats[p * lds + 1]);
    }
    row.sum += row.weights[p];
  }
  for (double& w : row.weights) {
    w = row.sum == 0 ? 0 : w / row.sum;
  }
  return row;
}

Attention attention_f32(const AttentionRow& row, const float* v, size_t ldv) {
  Attention a{0, 0, 0, 0, 1};
  for (size_t j = 0; j < row.weights.size(); ++j) {
    const auto x = static_cast<double>(v[j * ldv]);
    a.value += row.weights[j] * x;
    if (std::isfinite(x)) {
      a.sum_weighted += row.weights[j] * std::fabs(x);
      a.sum_abs += std::fabs(x);
      a.max_abs = std::max(a.max_abs, std::fabs(x));
    } else if (std::isinf(x) && row.weights[j] > 0) {
      a.least_of_inf = std::min(a.least_of_inf, row.weights[j]);
    }
  }
  if (row.nan) {
    a.value = std::numeric_limits<double>::quiet_NaN();
  }
  return a;
}

}  // namespace reference
