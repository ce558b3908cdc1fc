// The sampler against its definitions once more, in doubles and with everything sorted, on random logits and options.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "runner/sampler.h"
#include "runner/sampler_testing.h"

namespace assay {
namespace {

constexpr int kDistributions = 400;

struct Kept {
  int32_t token;
  double logit, p;
};

/// What the definitions leave.
class SamplerOracle {
 public:
  SamplerOracle(const SamplerOptions& o, const std::vector<float>& logits, const std::vector<int32_t>& text) {
    const size_t seen = o.repeat_last_n < 0 ? text.size() : std::min(text.size(), static_cast<size_t>(o.repeat_last_n));
    std::map<int32_t, int> counts;
    for (size_t i = text.size() - seen; i < text.size(); ++i) {
      ++counts[text[i]];
    }
    for (size_t i = 0; i < logits.size(); ++i) {
      const auto token = static_cast<int32_t>(i);
      double l = static_cast<double>(logits[i]);
      if (const int c = counts[token]; c > 0) {
        const auto r = static_cast<double>(o.repeat_penalty);
        l = (l <= 0 ? l * r : l / r) - c * static_cast<double>(o.frequency_penalty) -
            static_cast<double>(o.presence_penalty);
        l = static_cast<double>(static_cast<float>(l));  // logits are floats
      }
      if (!std::isinf(l)) {
        kept_.push_back({token, l, 0});
      }
    }
    sort_by_logit();
    if (o.top_k > 0 && static_cast<size_t>(o.top_k) < kept_.size()) {
      kept_.resize(static_cast<size_t>(o.top_k));
    }
    if (o.typical < 1) {
      keep_typical(static_cast<double>(o.typical));
    }
    if (o.top_p < 1) {
      sort_by_logit();
      keep_prefix(static_cast<double>(o.top_p), false);
    }
    if (o.min_p > 0) {
      sort_by_logit();
      const double least = kept_[0].logit + std::log(static_cast<double>(o.min_p));
      for (const Kept& k : kept_) {
        note_margin(k.logit - least);
      }
      std::erase_if(kept_, [&](const Kept& k) { return k.logit < least; });
    }
  }

  /// The probability of each token that is left, at a temperature.
  std::map<int32_t, double> probabilities(double temperature) {
    soften(temperature);
    std::map<int32_t, double> all;
    for (const Kept& k : kept_) {
      all[k.token] = k.p;
    }
    return all;
  }

  /// Whether a decision hung on less than what softmax rounds in float: then it says nothing.
  bool close() const { return margin_ < 1e-5; }

 private:
  void note_margin(double difference) { margin_ = std::min(margin_, std::fabs(difference)); }

  void sort_by_logit() {
    std::ranges::sort(
        kept_, [](const Kept& a, const Kept& b) { return a.logit != b.logit ? a.logit > b.logit : a.token < b.token; });
  }

  void soften(double temperature) {
    double largest = -INFINITY;
    for (const Kept& k : kept_) {
      largest = std::max(largest, k.logit);
    }
    double sum = 0;
    for (Kept& k : kept_) {
      k.p = std::exp((k.logit - largest) / temperature);
      sum += k.p;
    }
    for (Kept& k : kept_) {
      k.p /= sum;
    }
  }

  void keep_prefix(double p, bool over) {
    soften(1);
    double mass = 0;
    size_t n = 0;
    while (n < kept_.size() && (over ? mass <= p : mass < p)) {
      mass += kept_[n++].p;
      note_margin(mass - p);
    }
    kept_.resize(n);
  }

  void keep_typical(double p) {
    soften(1);
    double entropy = 0;
    for (const Kept& k : kept_) {
      entropy -= k.p > 0 ? k.p * std::log(k.p) : 0;
    }
    const auto distance = [&](const Kept& k) { return std::fabs(-std::log(k.p) - entropy); };
    // Equal logits are in the order of their tokens already.
    std::ranges::stable_sort(kept_, [&](const Kept& a, const Kept& b) { return distance(a) < distance(b); });
    for (size_t i = 1; i < kept_.size(); ++i) {
      if (kept_[i].logit != kept_[i - 1].logit) {
        note_margin(distance(kept_[i]) - distance(kept_[i - 1]));
      }
    }
    keep_prefix(p, true);
  }

  std::vector<Kept> kept_;
  double margin_ = INFINITY;
};

struct SamplerCase {
  SamplerOptions options;
  std::vector<float> logits;
  std::vector<int32_t> text;
};

SamplerCase random_case(Rng& rng) {
  SamplerCase c;
  const auto sometimes = [&](float value, float off) { return rng.below(2) == 0 ? value : off; };
  const size_t n = 1 + rng.below(24);
  const bool has_ties = rng.below(3) == 0;
  const float spread = 0.3f + 3 * rng.uniform();
  for (size_t i = 0; i < n; ++i) {
    const float logit = spread * rng.normal();
    c.logits.push_back(has_ties ? std::round(2 * logit) / 2 : logit);
    if (i > 0 && rng.below(12) == 0) {
      c.logits.back() = -INFINITY;
    }
  }
  for (size_t i = rng.below(100); i > 0; --i) {
    c.text.push_back(static_cast<int32_t>(rng.below(n)));
  }
  SamplerOptions& o = c.options;
  o.seed = rng.next();
  o.top_k = rng.below(2) == 0 ? static_cast<int32_t>(rng.below(n + 2)) : 0;
  o.top_p = sometimes(0.01f + 0.98f * rng.uniform(), 1);
  o.min_p = sometimes(rng.uniform() * rng.uniform(), 0);
  o.typical = sometimes(0.01f + 0.98f * rng.uniform(), 1);
  o.repeat_penalty = sometimes(0.5f + 2 * rng.uniform(), 1);
  o.presence_penalty = sometimes(rng.normal(), 0);
  o.frequency_penalty = sometimes(0.3f * rng.normal(), 0);
  o.repeat_last_n = static_cast<int32_t>(rng.between(-1, 110));
  return c;
}

/// How often each token is drawn.
std::map<int32_t, int> draw_counts(const SamplerCase& c, float temperature, int n) {
  SamplerOptions options = c.options;
  options.temperature = temperature;
  Sampler sampler(options, softmax_by_definition);
  for (const int32_t token : c.text) {
    sampler.accept(token);
  }
  std::map<int32_t, int> counts;
  for (int i = 0; i < n; ++i) {
    ++counts[sampler.sample(c.logits)];
  }
  return counts;
}

/// `judge` gets random cases and their oracles, but for those that are decided by a hair.
template <class F>
void for_each_case(uint64_t seed, int n, F judge) {
  Rng rng(seed);
  int judged = 0;
  for (int i = 0; i < n; ++i) {
    const SamplerCase c = random_case(rng);
    SamplerOracle oracle(c.options, c.logits, c.text);
    if (!oracle.close()) {
      ++judged;
      judge(c, oracle, i);
    }
  }
  EXPECT_GT(judged, n * 9 / 10);
}

TEST(SamplerOracle, TheSameTokensAreLeft) {
  size_t fewer = 0;
  for_each_case(11, kDistributions, [&](const SamplerCase& c, SamplerOracle& oracle, int i) {
    std::vector<int32_t> expected, found;
    for (const auto& [token, p] : oracle.probabilities(1)) {
      expected.push_back(token);
    }
    // At this temperature, the last step, each of at most 24 tokens has about the same probability: one stays away from 400 draws with
    // (23/24)^400 = 4e-8.
    for (const auto& [token, count] : draw_counts(c, 1e5f, 400)) {
      found.push_back(token);
    }
    EXPECT_EQ(found, expected) << "distribution " << i;
    fewer += expected.size() > 1 && expected.size() < c.logits.size() ? 1u : 0u;
  });
  EXPECT_GT(fewer, kDistributions / 3u) << "what keeps one or all of them shows little";
}

TEST(SamplerOracle, TheyAreDrawnAsOftenAsTheyAreProbable) {
  constexpr int kDraws = 3000;
  for_each_case(12, kDistributions / 8, [&](const SamplerCase& c, SamplerOracle& oracle, int i) {
    for (const float temperature : {0.5f, 1.5f}) {
      auto counts = draw_counts(c, temperature, kDraws);
      for (const auto& [token, p] : oracle.probabilities(static_cast<double>(temperature))) {
        // Six sigma, and a draw or two where p is tiny.
        EXPECT_NEAR(counts[token], kDraws * p, 6 * std::sqrt(kDraws * p * (1 - p)) + 3)
            << "distribution " << i << ", token " << token << ", temperature " << temperature;
        counts.erase(token);
      }
      EXPECT_TRUE(counts.empty()) << "distribution " << i;
    }
  });
}

TEST(SamplerOracle, GreedyIsTheBestOfWhatIsLeft) {
  for_each_case(13, kDistributions, [&](const SamplerCase& c, SamplerOracle& oracle, int i) {
    const auto left = oracle.probabilities(1);
    const auto best = std::ranges::max_element(left, {}, [](const auto& entry) { return entry.second; });  // the first
    EXPECT_EQ(draw_counts(c, 0, 1), (std::map<int32_t, int>{{best->first, 1}})) << "distribution " << i;
  });
}

}  // namespace
}  // namespace assay
