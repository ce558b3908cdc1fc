#include "runner/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>

#include "harness/runtime/error.h"

namespace assay {
namespace {

/// Throws for logits that no softmax turns into probabilities.
void check_logits(std::span<const float> logits) {
  bool any = false;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (std::isnan(logits[i]) || logits[i] == INFINITY) {
      throw InputError(
          fmt::format("model produced {} logits (first at token {} of {}); re-download or re-convert the model",
                      std::isnan(logits[i]) ? "NaN" : "infinite", i, logits.size()));
    }
    any = any || logits[i] != -INFINITY;
  }
  if (!any) {
    throw InputError(
        fmt::format("model produced no token to choose: all of its {} logits are -Inf; re-download "
                    "or re-convert the model",
                    logits.size()));
  }
}

bool penalizes(const SamplerOptions& o) {
  return o.repeat_penalty != 1 || o.presence_penalty != 0 || o.frequency_penalty != 0;
}

}  // namespace

void check_options(const SamplerOptions& o) {
  const auto require = [](bool good, const char* flag, auto value, const char* wanted) {
    if (!good) {
      throw InputError(fmt::format("{} is {}; give a {}", flag, value, wanted));
    }
  };
  // Written so that a NaN fails.
  require(o.temperature >= 0 && std::isfinite(o.temperature), "--temp", o.temperature,
          "finite number >= 0 (0: no randomness)");
  require(o.top_k >= 0, "--top-k", o.top_k, "number >= 0 (0: off)");
  require(o.top_p > 0 && o.top_p <= 1, "--top-p", o.top_p, "number in (0, 1] (1: off)");
  require(o.min_p >= 0 && o.min_p <= 1, "--min-p", o.min_p, "number in [0, 1] (0: off)");
  require(o.typical > 0 && o.typical <= 1, "--typical", o.typical, "number in (0, 1] (1: off)");
  require(o.repeat_penalty > 0 && std::isfinite(o.repeat_penalty), "--repeat-penalty", o.repeat_penalty,
          "finite number > 0 (1: off)");
  require(std::isfinite(o.presence_penalty), "--presence-penalty", o.presence_penalty, "finite number (0: off)");
  require(std::isfinite(o.frequency_penalty), "--frequency-penalty", o.frequency_penalty, "finite number (0: off)");
  require(o.repeat_last_n >= -1, "--repeat-last-n", o.repeat_last_n, "number >= -1 (-1: the whole text, 0: off)");
}

Sampler::Sampler(const SamplerOptions& options, SoftmaxFn softmax)
    : options_(options), softmax_(std::move(softmax)), rng_(options.seed) {
  check_options(options);
}

void Sampler::accept(int32_t token) {
  if (!penalizes(options_)) {
    return;
  }
  seen_.push_back(token);
  ++counts_[token];
  if (options_.repeat_last_n >= 0 && seen_.size() > static_cast<size_t>(options_.repeat_last_n)) {
    const auto oldest = counts_.find(seen_.front());
    seen_.pop_front();
    if (--oldest->second == 0) {
      counts_.erase(oldest);
    }
  }
}

int32_t Sampler::sample(std::span<const float> logits) {
  check_logits(logits);
  n_vocab_ = logits.size();
  candidates_.resize(n_vocab_);
  for (size_t i = 0; i < n_vocab_; ++i) {
    candidates_[i] = {static_cast<int32_t>(i), logits[i], 0};
  }
  // The order of llama.cpp.
  penalize();
  std::erase_if(candidates_, [](const Candidate& c) { return c.logit == -INFINITY; });
  keep_top_k();
  keep_typical();
  keep_top_p();
  keep_min_p();
  return options_.temperature == 0 ? best().token : draw();
}

void Sampler::penalize() {
  const auto repeat = static_cast<double>(options_.repeat_penalty);
  for (const auto& [token, count] : counts_) {
    float& logit = candidates_.at(static_cast<size_t>(token)).logit;
    if (logit == -INFINITY) {
      continue;
    }
    const auto l = static_cast<double>(logit);
    const double penalized = (l <= 0 ? l * repeat : l / repeat) -
                             static_cast<double>(count) * static_cast<double>(options_.frequency_penalty) -
                             static_cast<double>(options_.presence_penalty);
    // No penalty forbids a token, or makes it the only one for good.
    logit = static_cast<float>(std::clamp(penalized, -static_cast<double>(FLT_MAX), static_cast<double>(FLT_MAX)));
  }
}

void Sampler::keep_top_k() {
  const auto k = static_cast<size_t>(options_.top_k);
  if (k > 0 && k < candidates_.size()) {
    size_t kept = 0;
    keep_first(ranks_before, [&](const Candidate&) { return ++kept == k; });
  }
}

void Sampler::keep_typical() {
  if (options_.typical == 1) {
    return;
  }
  find_probabilities(1);
  // -ln p, exact to a double also where p is 0 in float.
  const Candidate first = best();
  const double surprise_of_first = -std::log(static_cast<double>(first.probability));
  const auto surprise = [&](const Candidate& c) {
    return surprise_of_first + (static_cast<double>(first.logit) - static_cast<double>(c.logit));
  };
  double entropy = 0;
  for (const Candidate& c : candidates_) {
    entropy += static_cast<double>(c.probability) * surprise(c);
  }
  const auto nearer = [&](const Candidate& a, const Candidate& b) {
    const double x = std::fabs(surprise(a) - entropy);
    const double y = std::fabs(surprise(b) - entropy);
    return x != y ? x < y : ranks_before(a, b);
  };
  double mass = 0;
  keep_first(nearer, [&](const Candidate& c) {
    mass += static_cast<double>(c.probability);
    return mass > static_cast<double>(options_.typical);
  });
}

void Sampler::keep_top_p() {
  if (options_.top_p == 1) {
    return;
  }
  find_probabilities(1);
  double mass = 0;
  keep_first(ranks_before, [&](const Candidate& c) {
    mass += static_cast<double>(c.probability);
    return mass >= static_cast<double>(options_.top_p);
  });
}

void Sampler::keep_min_p() {
  if (options_.min_p == 0) {
    return;
  }
  const double least = static_cast<double>(best().logit) + std::log(static_cast<double>(options_.min_p));
  std::erase_if(candidates_, [&](const Candidate& c) { return static_cast<double>(c.logit) < least; });
}

int32_t Sampler::draw() {
  double left = static_cast<double>(rng_.next() >> 11) * 0x1p-53 * find_probabilities(options_.temperature);
  for (const Candidate& c : candidates_) {
    left -= static_cast<double>(c.probability);
    if (left < 0) {
      return c.token;
    }
  }
  return best().token;  // the roundings of the sum and of the differences did not cancel
}

/// Of equal logits the lowest token is first.
bool Sampler::ranks_before(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

const Sampler::Candidate& Sampler::best() const { return *std::ranges::min_element(candidates_, ranks_before); }

/// Keeps those that come first by `before`, up to the one of which `enough` says that it is the last: one at least.
template <class Before, class Enough>
void Sampler::keep_first(Before before, Enough enough) {
  // A heap, since few tokens of a large vocabulary are wanted.
  const auto after = [&](const Candidate& a, const Candidate& b) { return before(b, a); };
  std::vector<Candidate> heap = candidates_;
  std::ranges::make_heap(heap, after);
  Candidate last;
  do {
    std::ranges::pop_heap(heap, after);
    last = heap.back();
    heap.pop_back();
  } while (!enough(last) && !heap.empty());
  std::erase_if(candidates_, [&](const Candidate& c) { return before(last, c); });
}

/// The probabilities of the candidates at a temperature > 0; returns their sum.
double Sampler::find_probabilities(float temperature) {
  const float scale = 1 / temperature;
  const Candidate first = best();
  // Past the domain of the kernel a step of one ULP from the best logit is a factor of over
  // e^(2^100) in probability: nothing but the best can be drawn.
  if (!(scale * std::fabs(first.logit) <= FLT_MAX / 4)) {
    for (Candidate& c : candidates_) {
      c.probability = c.token == first.token ? 1 : 0;
    }
    return 1;
  }
  // e^-200 is 0 in float, and what is left is inside the domain of the kernel.
  const double least = static_cast<double>(first.logit) - 200.0 * static_cast<double>(temperature);
  row_.assign(std::min(std::bit_ceil(candidates_.size()), n_vocab_), -INFINITY);
  for (size_t i = 0; i < candidates_.size(); ++i) {
    if (static_cast<double>(candidates_[i].logit) >= least) {
      row_[i] = candidates_[i].logit;
    }
  }
  softmax_(row_.data(), row_.data(), scale, row_.size());
  double total = 0;
  bool first_is_likely = false;
  for (size_t i = 0; i < candidates_.size(); ++i) {
    candidates_[i].probability = row_[i];
    total += static_cast<double>(row_[i]);
    first_is_likely = first_is_likely || (candidates_[i].token == first.token && row_[i] > 0);
  }
  if (!(first_is_likely && std::isfinite(total))) {
    throw InputError(fmt::format("softmax of {} logits gave probabilities that sum to {}; check kernel softmax_f32",
                                 candidates_.size(), total));
  }
  return total;
}

}  // namespace assay
