// Each step of a Sampler against values of its definition that were worked out by hand, and their order.
#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <set>
#include <vector>

#include "runner/sampler.h"
#include "runner/sampler_testing.h"

namespace assay {
namespace {

using Tokens = std::set<int32_t>;

constexpr float kMasked = -INFINITY;
const float kLn2 = std::log(2.0f);
/// Probabilities 1/8, 1/2, 1/8, 1/4.
const std::vector<float> kEighths = {0, 2 * kLn2, 0, kLn2};

/// The tokens that are ever chosen. The temperature is the last step: a high one leaves no difference between them.
Tokens kept_by(SamplerOptions options, const std::vector<float>& logits, const std::vector<int32_t>& seen = {}) {
  options.temperature = 1e6f;
  Sampler sampler(options, softmax_by_definition);
  for (const int32_t token : seen) {
    sampler.accept(token);
  }
  Tokens tokens;
  for (int i = 0; i < 500; ++i) {
    tokens.insert(sampler.sample(logits));
  }
  return tokens;
}

/// The logits as the penalties leave them.
std::vector<float> penalized(SamplerOptions options, const std::vector<float>& logits,
                             const std::vector<int32_t>& seen) {
  options.temperature = 1;
  std::vector<float> row;
  Sampler sampler(options, [&](float* y, const float* x, float scale, size_t n) {
    row.assign(x, x + n);
    softmax_by_definition(y, x, scale, n);
  });
  for (const int32_t token : seen) {
    sampler.accept(token);
  }
  sampler.sample(logits);
  return row;
}

TEST(SamplerSteps, PenaltiesCountWhatWasSeen) {
  const std::vector<float> logits = {2, -1, 0, 3};
  const std::vector<int32_t> seen = {0, 0, 1, 2};
  EXPECT_EQ(penalized({.repeat_penalty = 2}, logits, seen), (std::vector<float>{1, -2, 0, 3}))
      << "a negative logit is multiplied, and how often a token was seen does not count";
  EXPECT_EQ(penalized({.presence_penalty = 0.25f}, logits, seen), (std::vector<float>{1.75f, -1.25f, -0.25f, 3}));
  EXPECT_EQ(penalized({.frequency_penalty = 0.5f}, logits, seen), (std::vector<float>{1, -1.5f, -0.5f, 3}));
  // 2 / 2 - 2 * 0.5 - 0.25 and so on: first the factor, then the differences.
  EXPECT_EQ(penalized({.repeat_penalty = 2, .presence_penalty = 0.25f, .frequency_penalty = 0.5f}, logits, seen),
            (std::vector<float>{-0.25f, -2.75f, -0.75f, 3}));
  // Under 1, and under 0, they ask for repetition.
  EXPECT_EQ(penalized({.repeat_penalty = 0.5f, .presence_penalty = -1, .frequency_penalty = -2}, logits, seen),
            (std::vector<float>{4 + 1 + 4, -0.5f + 1 + 2, 3, 3}));
  EXPECT_EQ(penalized({.repeat_penalty = 2}, logits, {}), logits);
}

TEST(SamplerSteps, PenaltiesSeeTheLastTokens) {
  const std::vector<float> logits = {0, 0, 0};
  const auto with = [&](int32_t last_n, const std::vector<int32_t>& seen) {
    return penalized({.frequency_penalty = 0.125f, .repeat_last_n = last_n}, logits, seen);
  };
  const auto eighths = [](float a, float b, float c) { return std::vector<float>{a / 8, b / 8, c / 8}; };
  EXPECT_EQ(with(2, {0, 0, 1}), eighths(-1, -1, 0));
  EXPECT_EQ(with(2, {0, 0, 1, 2}), eighths(0, -1, -1));
  EXPECT_EQ(with(2, {0, 1, 1, 0, 0}), eighths(-2, 0, 0));
  EXPECT_EQ(with(1, {0, 1, 2, 0}), eighths(-1, 0, 0));
  EXPECT_EQ(with(0, {0, 1, 2, 0}), eighths(0, 0, 0));
  EXPECT_EQ(with(INT32_MAX, {0, 1, 2, 0}), eighths(-2, -1, -1));
  std::vector<int32_t> many(1000, 1);
  many.front() = 0;
  EXPECT_EQ(with(-1, many), eighths(-1, -999, 0));
  EXPECT_EQ(with(64, many), eighths(0, -64, 0));
  many[1000 - 64] = 2;
  EXPECT_EQ(with(SamplerOptions().repeat_last_n, many), eighths(0, -63, -1)) << "64 by default";
  many.push_back(1);
  EXPECT_EQ(with(SamplerOptions().repeat_last_n, many), eighths(0, -64, 0));
}

TEST(SamplerSteps, PenaltiesForbidNothingAndRaiseNothingToInfinity) {
  EXPECT_EQ(kept_by({.presence_penalty = -5}, {0, kMasked}, {0, 1}), (Tokens{0})) << "nor do they allow anything";
  EXPECT_EQ(kept_by({.presence_penalty = -5}, {-FLT_MAX, kMasked}, {1}), (Tokens{0}));
  EXPECT_EQ(penalized({.repeat_penalty = FLT_MAX, .frequency_penalty = FLT_MAX}, {-1e30f, 0}, {0, 0})[1], 0);
  EXPECT_EQ(kept_by({.repeat_penalty = FLT_MAX, .presence_penalty = FLT_MAX}, {-FLT_MAX, -1}, {0, 1}), (Tokens{0, 1}));
  EXPECT_EQ(kept_by({.repeat_penalty = 1e-45f}, {-1, 0, FLT_MAX}, {2}), (Tokens{2}));
  EXPECT_EQ(kept_by({.presence_penalty = -FLT_MAX, .frequency_penalty = -FLT_MAX}, {0, FLT_MAX}, {0}), (Tokens{0, 1}));
}

TEST(SamplerSteps, GreedyChoosesAmongPenalizedLogits) {
  Sampler sampler({.presence_penalty = 1.5f}, nullptr);
  const std::vector<float> logits = {2, 1, 0};
  const auto next = [&] {
    const int32_t token = sampler.sample(logits);
    sampler.accept(token);
    return token;
  };
  EXPECT_EQ(next(), 0);
  EXPECT_EQ(next(), 1);  // 0.5, 1, 0
  EXPECT_EQ(next(), 0);  // 0.5, -0.5, 0
  EXPECT_EQ(next(), 0) << "presence counts once";
}

TEST(SamplerSteps, TopPKeepsTheSmallestPrefix) {
  const std::vector<float> equal(4, 1.0f);  // 1/4 each, exactly
  EXPECT_EQ(kept_by({.top_p = 0.25f}, equal), (Tokens{0})) << "p itself is enough";
  EXPECT_EQ(kept_by({.top_p = 0.26f}, equal), (Tokens{0, 1}));
  EXPECT_EQ(kept_by({.top_p = 0.5f}, equal), (Tokens{0, 1}));
  EXPECT_EQ(kept_by({.top_p = 0.75f}, equal), (Tokens{0, 1, 2}));
  EXPECT_EQ(kept_by({.top_p = 0.76f}, equal), (Tokens{0, 1, 2, 3}));
  EXPECT_EQ(kept_by({.top_p = 0.8f}, kEighths), (Tokens{0, 1, 3})) << "of equal ones the first";
}

TEST(SamplerSteps, MinPIsAThresholdOfLogits) {
  const std::vector<float> logits = {1, 3, 3 - 0.6931f, 3 - 0.6932f, kMasked};  // ln 0.5 = -0.69315
  EXPECT_EQ(kept_by({.min_p = 0.5f}, logits), (Tokens{1, 2}));
  EXPECT_EQ(kept_by({.min_p = 0.49f}, logits), (Tokens{1, 2, 3}));
  EXPECT_EQ(kept_by({.min_p = 0.135f}, logits), (Tokens{0, 1, 2, 3}));  // e^-2 = 0.13534
  EXPECT_EQ(kept_by({.min_p = 0.136f}, logits), (Tokens{1, 2, 3}));
  EXPECT_EQ(kept_by({.min_p = 1}, logits), (Tokens{1}));
  EXPECT_EQ(kept_by({.min_p = 1}, {1, 3, 2, 3}), (Tokens{1, 3})) << "ties with the best";
  EXPECT_EQ(kept_by({.min_p = 0.5f}, {-3, -2.5f, -1000}), (Tokens{0, 1}));
}

TEST(SamplerSteps, TypicalTakesWhatIsNearestToTheMeanSurprise) {
  // H is 1.75 bits; 1/4 is 0.25 from it, 1/2 0.75 and 1/8 1.25.
  EXPECT_EQ(kept_by({.typical = 0.24f}, kEighths), (Tokens{3})) << "not the most probable one";
  EXPECT_EQ(kept_by({.typical = 0.26f}, kEighths), (Tokens{1, 3}));
  EXPECT_EQ(kept_by({.typical = 0.74f}, kEighths), (Tokens{1, 3}));
  EXPECT_EQ(kept_by({.typical = 0.76f}, kEighths), (Tokens{0, 1, 3})) << "of equal ones the first";
  EXPECT_EQ(kept_by({.typical = 0.88f}, kEighths), (Tokens{0, 1, 2, 3}));
  EXPECT_EQ(kept_by({.typical = 1}, kEighths), (Tokens{0, 1, 2, 3}));
  const std::vector<float> equal(4, 1.0f);
  EXPECT_EQ(kept_by({.typical = 0.2f}, equal), (Tokens{0}));
  EXPECT_EQ(kept_by({.typical = 0.25f}, equal), (Tokens{0, 1})) << "p itself is not enough";
  EXPECT_EQ(kept_by({.typical = 0.5f}, equal), (Tokens{0, 1, 2}));
  // So improbable that it is 0 in float: still farther from the mean than all others.
  EXPECT_EQ(kept_by({.typical = 0.9f}, {0, -500, 0, kMasked, -1e30f}), (Tokens{0, 2}));
}

TEST(SamplerSteps, GreedyChoosesAmongWhatTypicalLeaves) {
  EXPECT_EQ(Sampler({.typical = 0.24f}, softmax_by_definition).sample(kEighths), 3);
  EXPECT_EQ(Sampler({.typical = 0.26f}, softmax_by_definition).sample(kEighths), 1);
}

TEST(SamplerSteps, OneIsAlwaysLeft) {
  const SamplerOptions least = {.top_k = 1, .top_p = FLT_MIN, .min_p = 1, .typical = FLT_MIN};
  EXPECT_EQ(kept_by(least, kEighths), (Tokens{1}));
  EXPECT_EQ(kept_by(least, {2}), (Tokens{0}));
  EXPECT_EQ(kept_by(least, {kMasked, -FLT_MAX, kMasked}), (Tokens{1}));
  EXPECT_EQ(kept_by({.top_p = FLT_MIN}, kEighths), (Tokens{1}));
  EXPECT_EQ(kept_by({.typical = FLT_MIN}, kEighths), (Tokens{3}));
  // Where softmax is of no use, the best has all probability.
  for (const float huge : {FLT_MAX, -1.5e38f}) {
    EXPECT_EQ(kept_by({.top_p = 0.9f, .min_p = 0.1f, .typical = 0.9f}, {huge, huge, -FLT_MAX}), (Tokens{0})) << huge;
  }
}

TEST(SamplerSteps, TheOrderIsThatOfLlamaCpp) {
  // Penalties before top-k: token 0 is 2 - 1.
  EXPECT_EQ(kept_by({.top_k = 1, .presence_penalty = 1}, {2, 1.5f, 0}, {0}), (Tokens{1}));
  // Top-k before typical: of all four 1/4 is the most typical and 1/2 the next; of the best two alone
  // (2/3 and 1/3, H = 0.918 bits) 2/3 is 0.333 from it and 1/3 0.667.
  EXPECT_EQ(kept_by({.top_k = 2, .typical = 0.1f}, kEighths), (Tokens{1}));
  // Typical before top-p: it leaves 1/2 and 1/4, of which the first is 2/3.
  EXPECT_EQ(kept_by({.top_p = 0.6f, .typical = 0.3f}, kEighths), (Tokens{1}));
  EXPECT_EQ(kept_by({.top_p = 0.7f, .typical = 0.3f}, kEighths), (Tokens{1, 3}));
  EXPECT_EQ(kept_by({.top_p = 0.4f, .typical = 0.24f}, kEighths), (Tokens{3})) << "other than the reverse";
  // Top-p before min-p, which would leave 2/3 and 1/3: then the first alone would do.
  EXPECT_EQ(kept_by({.top_p = 0.66f, .min_p = 0.4f}, kEighths), (Tokens{1, 3}));
  // Typical before min-p, which would leave 2/3 and 1/3, and of them the first is the most typical.
  EXPECT_EQ(kept_by({.min_p = 0.45f, .typical = 0.24f}, kEighths), (Tokens{3}));
  // The temperature last: at this one all probabilities are about 1/4, of which three would be needed.
  EXPECT_EQ(kept_by({.top_p = 0.7f}, kEighths), (Tokens{1, 3}));
  EXPECT_EQ(kept_by({.min_p = 0.45f}, kEighths), (Tokens{1, 3}));
}

TEST(SamplerSteps, SoftmaxIsCalledWithFewLengths) {
  std::set<size_t> lengths;
  Sampler sampler({.temperature = 0.8f, .top_p = 0.9f, .seed = 3, .typical = 0.9f},
                  [&](float* y, const float* x, float scale, size_t n) {
                    lengths.insert(n);
                    softmax_by_definition(y, x, scale, n);
                  });
  Rng rng(4);
  std::vector<float> logits(300);
  for (int i = 0; i < 200; ++i) {
    for (auto& logit : logits) {
      logit = static_cast<float>(1 + i % 7) * rng.normal();
    }
    sampler.sample(logits);
  }
  for (const size_t n : lengths) {
    EXPECT_TRUE(n == logits.size() || (n < logits.size() && (n & (n - 1)) == 0)) << n;
  }
  EXPECT_GT(lengths.size(), 3u);
}

}  // namespace
}  // namespace assay
