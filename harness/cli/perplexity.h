#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace assay {

/// A sum of values and one of their squares: their mean, and how far off it is likely to be, as llama.cpp's `perplexity` prints both.
class MeanOf {
 public:
  void add(double x);
  size_t count() const { return count_; }
  double mean() const;
  /// The standard deviation of the mean; 0 for fewer than two values.
  double error() const;

 private:
  size_t count_ = 0;
  double sum_ = 0, sum_of_squares_ = 0;
};

/// -log of the probability that `logits` give to `token`.
double surprise(std::span<const float> logits, int32_t token);

/// How two models differ in what they expect after each token of a text.
class Divergence {
 public:
  /// What both say in one place, where `next` follows: its surprise is taken by both.
  void add(std::span<const float> logits, std::span<const float> base, int32_t next);

  MeanOf surprise_of_model, surprise_of_base;
  MeanOf log_ratio;               ///< of the surprise of the model less that of the base
  MeanOf divergence;              ///< KL: sum of p_base (log p_base - log p), over tokens with log p_base > -16
  MeanOf change, squared_change;  ///< of the probability of `next`
  MeanOf same_top;                ///< 1 where both expect the same token most
  std::vector<double> divergences, changes;
  /// Of the two surprises.
  double correlation() const;

 private:
  double sum_of_products_ = 0;
};

/// The value below which a share of them lies, between the two nearest linearly; `values` are in order and not empty.
double quantile(std::span<const double> values, double share);

/// How a text is cut: chunks of n_ctx tokens that do not overlap, of which the second half is judged, as by llama.cpp's `perplexity`.
struct Chunks {
  size_t n_ctx;
  size_t count;
  /// The first place whose logits are judged: by the token behind it.
  size_t first() const { return n_ctx / 2; }
};

}  // namespace assay
