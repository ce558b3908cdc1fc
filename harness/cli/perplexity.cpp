#include "harness/cli/perplexity.h"

#include <algorithm>
#include <cmath>

namespace assay {
namespace {

/// log(sum(exp(logits))).
double log_sum(std::span<const float> logits) {
  const auto most = static_cast<double>(*std::ranges::max_element(logits));
  double sum = 0;
  for (const float logit : logits) {
    sum += std::exp(static_cast<double>(logit) - most);
  }
  return most + std::log(sum);
}

}  // namespace

void MeanOf::add(double x) {
  ++count_;
  sum_ += x;
  sum_of_squares_ += x * x;
}

double MeanOf::mean() const { return count_ != 0 ? sum_ / static_cast<double>(count_) : 0; }

double MeanOf::error() const {
  if (count_ < 2) {
    return 0;
  }
  const auto n = static_cast<double>(count_);
  return std::sqrt(std::max(sum_of_squares_ / n - mean() * mean(), 0.0) / (n - 1));
}

double surprise(std::span<const float> logits, int32_t token) {
  return log_sum(logits) - static_cast<double>(logits[static_cast<size_t>(token)]);
}

void Divergence::add(std::span<const float> logits, std::span<const float> base, int32_t next) {
  constexpr double kLeast = -16;
  const double sum = log_sum(logits);
  const double sum_of_base = log_sum(base);
  double kl = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    const double log_base = static_cast<double>(base[i]) - sum_of_base;
    if (log_base > kLeast) {
      kl += std::exp(log_base) * (log_base - (static_cast<double>(logits[i]) - sum));
    }
  }
  const auto token = static_cast<size_t>(next);
  const double mine = sum - static_cast<double>(logits[token]);
  const double of_base = sum_of_base - static_cast<double>(base[token]);
  const double moved = std::exp(-mine) - std::exp(-of_base);
  surprise_of_model.add(mine);
  surprise_of_base.add(of_base);
  sum_of_products_ += mine * of_base;
  log_ratio.add(mine - of_base);
  divergence.add(kl);
  divergences.push_back(kl);
  change.add(moved);
  squared_change.add(moved * moved);
  changes.push_back(moved);
  const auto top = [](std::span<const float> of) { return std::ranges::max_element(of) - of.begin(); };
  same_top.add(top(logits) == top(base) ? 1 : 0);
}

double Divergence::correlation() const {
  const auto n = static_cast<double>(surprise_of_model.count());
  const double spread = surprise_of_model.error() * surprise_of_base.error() * (n - 1);
  return spread > 0 ? (sum_of_products_ / n - surprise_of_model.mean() * surprise_of_base.mean()) / spread : 0;
}

double quantile(std::span<const double> values, double share) {
  const double place = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, values.size() - 1);
  return std::lerp(values[below], values[above], place - static_cast<double>(below));
}

}  // namespace assay
