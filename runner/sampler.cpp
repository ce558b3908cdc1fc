#include "runner/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <numeric>

#include "harness/runtime/error.h"

namespace assay {
namespace {

/// The most probable token; throws for logits that no softmax turns into probabilities.
int32_t checked_argmax(std::span<const float> logits) {
  size_t best = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (std::isnan(logits[i]) || logits[i] == INFINITY) {
      throw InputError(
          fmt::format("model produced {} logits (first at token {} of {}); re-download or re-convert the model",
                      std::isnan(logits[i]) ? "NaN" : "infinite", i, logits.size()));
    }
    if (logits[i] > logits[best]) {
      best = i;
    }
  }
  if (logits.empty() || logits[best] == -INFINITY) {
    throw InputError(
        fmt::format("model produced no token to choose: all of its {} logits are -Inf; re-download "
                    "or re-convert the model",
                    logits.size()));
  }
  return static_cast<int32_t>(best);
}

/// Of equal logits the lowest token is first.
bool ranks_before(std::span<const float> logits, int32_t a, int32_t b) {
  const float x = logits[static_cast<size_t>(a)];
  const float y = logits[static_cast<size_t>(b)];
  return x != y ? x > y : a < b;
}

}  // namespace

Sampler::Sampler(const SamplerOptions& options, SoftmaxFn softmax)
    : options_(options), softmax_(std::move(softmax)), rng_(options.seed) {
  // Written so that a NaN fails.
  if (!(options.temperature >= 0 && std::isfinite(options.temperature))) {
    throw InputError(fmt::format("--temp is {}; give a finite number >= 0 (0: no randomness)", options.temperature));
  }
  if (options.top_k < 0) {
    throw InputError(fmt::format("--top-k is {}; give a number >= 0 (0: off)", options.top_k));
  }
  if (!(options.top_p > 0 && options.top_p <= 1)) {
    throw InputError(fmt::format("--top-p is {}; give a number in (0, 1] (1: off)", options.top_p));
  }
}

int32_t Sampler::sample(std::span<const float> logits) {
  const int32_t best = checked_argmax(logits);
  if (options_.temperature == 0) {
    return best;
  }
  // Past the domain of the kernel a step of one ULP from the best logit is a factor of over
  // e^(2^100) in probability: nothing but the best can be drawn.
  const float scale = 1 / options_.temperature;
  if (!(scale * std::fabs(logits[static_cast<size_t>(best)]) <= FLT_MAX / 4)) {
    return best;
  }
  choose_candidates(logits, best);
  probabilities_.resize(tokens_.size());
  for (size_t i = 0; i < tokens_.size(); ++i) {
    probabilities_[i] = logits[static_cast<size_t>(tokens_[i])];
  }
  softmax_(probabilities_.data(), probabilities_.data(), scale, probabilities_.size());
  return draw(logits);
}

void Sampler::choose_candidates(std::span<const float> logits, int32_t best) {
  // e^-200 is 0 in float, and what is left is inside the domain of the kernel.
  const double least =
      static_cast<double>(logits[static_cast<size_t>(best)]) - 200.0 * static_cast<double>(options_.temperature);
  tokens_.clear();
  for (size_t i = 0; i < logits.size(); ++i) {
    if (static_cast<double>(logits[i]) >= least) {
      tokens_.push_back(static_cast<int32_t>(i));
    }
  }
  const auto k = static_cast<size_t>(options_.top_k);
  if (k > 0 && k < tokens_.size()) {
    std::nth_element(tokens_.begin(), tokens_.begin() + options_.top_k, tokens_.end(),
                     [&](int32_t a, int32_t b) { return ranks_before(logits, a, b); });
    tokens_.resize(k);
    std::sort(tokens_.begin(), tokens_.end());  // nth_element's order is the library's own
  }
}

int32_t Sampler::draw(std::span<const float> logits) {
  std::vector<size_t> order(tokens_.size());  // of candidates
  std::iota(order.begin(), order.end(), 0u);
  size_t kept = order.size();
  double total = 0;
  if (options_.top_p < 1) {
    // A heap, since few tokens of a large vocabulary are needed before they reach p.
    const auto ranks_after = [&](size_t a, size_t b) { return ranks_before(logits, tokens_[b], tokens_[a]); };
    std::make_heap(order.begin(), order.end(), ranks_after);
    auto end = order.end();
    while (end != order.begin() && total < static_cast<double>(options_.top_p)) {
      std::pop_heap(order.begin(), end, ranks_after);
      total += static_cast<double>(probabilities_[*--end]);
    }
    kept = static_cast<size_t>(order.end() - end);
    std::reverse(order.begin(), order.end());  // the best first
  } else {
    for (const float p : probabilities_) {
      total += static_cast<double>(p);
    }
  }

  if (!(total > 0)) {  // a NaN too
    throw InputError(fmt::format("softmax of {} logits gave probabilities that sum to {}; check kernel softmax_f32",
                                 probabilities_.size(), total));
  }
  double left = static_cast<double>(rng_.next() >> 11) * 0x1p-53 * total;
  for (size_t i = 0; i < kept; ++i) {
    left -= static_cast<double>(probabilities_[order[i]]);
    if (left < 0) {
      return tokens_[order[i]];
    }
  }
  return tokens_[order[0]];  // the roundings of the sum and of the differences did not cancel
}

}  // namespace assay
