#include "runner/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cfloat>
#include <cmath>
#include <limits>
#include <set>

#include "harness/runtime/error.h"
#include "runner/sampler_testing.h"

namespace assay {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

Sampler sampler(float temperature, int32_t top_k = 0, float top_p = 1, uint64_t seed = 1) {
  return Sampler({temperature, top_k, top_p, seed}, softmax_by_definition);
}

std::vector<int32_t> draws(Sampler s, const std::vector<float>& logits, int n) {
  std::vector<int32_t> tokens;
  for (int i = 0; i < n; ++i) {
    tokens.push_back(s.sample(logits));
  }
  return tokens;
}

std::set<int32_t> drawn(Sampler s, const std::vector<float>& logits, int n = 2000) {
  const auto tokens = draws(std::move(s), logits, n);
  return {tokens.begin(), tokens.end()};
}

std::vector<float> random_logits(size_t n) {
  Rng rng(7);
  std::vector<float> logits(n);
  for (auto& logit : logits) {
    logit = 3 * rng.normal();
  }
  return logits;
}

TEST(SamplerTest, GreedyTakesTheFirstOfTheBest) {
  EXPECT_EQ(sampler(0).sample(std::vector<float>{1, 3, 2, 3}), 1);
  EXPECT_EQ(sampler(0).sample(std::vector<float>{-kInf, -FLT_MAX}), 1);
  EXPECT_EQ(sampler(0).sample(std::vector<float>{-0.0f, 0.0f}), 0);
  EXPECT_EQ(sampler(0).sample(std::vector<float>{5}), 0);
  // It needs no softmax.
  EXPECT_EQ(Sampler({}, nullptr).sample(std::vector<float>{1, 2}), 1);
}

TEST(SamplerTest, BadLogitsAreErrors) {
  for (const float temperature : {0.0f, 1.0f}) {
    Sampler s = sampler(temperature);
    EXPECT_THROW(s.sample(std::vector<float>{}), InputError);
    EXPECT_THROW(s.sample(std::vector<float>{-kInf, -kInf}), InputError);
    for (const float bad : {kNaN, kInf}) {
      for (size_t at = 0; at < 3; ++at) {
        std::vector<float> logits{1, 2, 3};
        logits[at] = bad;
        EXPECT_THROW(s.sample(logits), InputError);
      }
    }
    try {
      s.sample(std::vector<float>{1, kNaN});
    } catch (const InputError& e) {
      EXPECT_EQ(std::string(e.what()).rfind("model produced NaN logits (first at token 1 of 2)", 0), 0u);
    }
  }
}

TEST(SamplerTest, BadOptionsAreErrorsThatNameTheFlag) {
  const auto error = [](float temperature, int32_t top_k, float top_p) -> std::string {
    try {
      sampler(temperature, top_k, top_p);
    } catch (const InputError& e) {
      return e.what();
    }
    return "";
  };
  for (const float bad : {-1.0f, -1e-30f, kInf, -kInf, kNaN}) {
    EXPECT_EQ(error(bad, 0, 1).rfind("--temp is ", 0), 0u) << bad;
  }
  for (const int32_t bad : {-1, INT32_MIN}) {
    EXPECT_EQ(error(1, bad, 1).rfind("--top-k is ", 0), 0u) << bad;
  }
  for (const float bad : {0.0f, -0.5f, 1.0001f, kInf, kNaN}) {
    EXPECT_EQ(error(1, 0, bad).rfind("--top-p is ", 0), 0u) << bad;
  }
  EXPECT_EQ(error(0, 0, 1), "");
  EXPECT_EQ(error(FLT_MAX, INT32_MAX, FLT_MIN), "");

  const auto error_with = [](auto SamplerOptions::*option, auto value) -> std::string {
    SamplerOptions options;
    options.*option = value;
    try {
      check_options(options);
    } catch (const InputError& e) {
      return e.what();
    }
    return "";
  };
  struct {
    float SamplerOptions::*option;
    const char* flag;
    std::vector<float> good, bad;
  } const table[] = {
      {&SamplerOptions::min_p, "--min-p", {0, -0.0f, 1e-45f, 1}, {-1e-30f, 1.0001f, kInf, -kInf, kNaN}},
      {&SamplerOptions::typical, "--typical", {1e-45f, 1}, {0, -0.5f, 1.0001f, kInf, kNaN}},
      {&SamplerOptions::repeat_penalty, "--repeat-penalty", {1e-45f, 1, FLT_MAX}, {0, -1, kInf, kNaN}},
      {&SamplerOptions::presence_penalty, "--presence-penalty", {-FLT_MAX, 0, FLT_MAX}, {kInf, -kInf, kNaN}},
      {&SamplerOptions::frequency_penalty, "--frequency-penalty", {-FLT_MAX, 0, FLT_MAX}, {kInf, -kInf, kNaN}},
  };
  for (const auto& row : table) {
    for (const float good : row.good) {
      EXPECT_EQ(error_with(row.option, good), "") << row.flag << good;
    }
    for (const float bad : row.bad) {
      EXPECT_EQ(error_with(row.option, bad).rfind(std::string(row.flag) + " is ", 0), 0u) << row.flag << bad;
    }
  }
  for (const int32_t good : {-1, 0, INT32_MAX}) {
    EXPECT_EQ(error_with(&SamplerOptions::repeat_last_n, good), "") << good;
  }
  for (const int32_t bad : {-2, INT32_MIN}) {
    EXPECT_EQ(error_with(&SamplerOptions::repeat_last_n, bad).rfind("--repeat-last-n is ", 0), 0u) << bad;
  }
}

TEST(SamplerTest, SameSeedSameTokens) {
  const auto logits = random_logits(1000);
  for (const int32_t top_k : {0, 40}) {
    for (const float top_p : {1.0f, 0.9f}) {
      const auto tokens = draws(sampler(1, top_k, top_p, 5), logits, 200);
      EXPECT_EQ(tokens, draws(sampler(1, top_k, top_p, 5), logits, 200));
      EXPECT_NE(tokens, draws(sampler(1, top_k, top_p, 6), logits, 200));
    }
  }
  // The first decimals of SplitMix64 from 42, worked out elsewhere: the draws of every machine.
  EXPECT_EQ(draws(sampler(1, 0, 1, 42), std::vector<float>(10, 0.5f), 8),
            (std::vector<int32_t>{7, 1, 2, 3, 0, 8, 2, 8}));
}

TEST(SamplerTest, FrequenciesAreTheProbabilities) {
  const std::vector<float> logits{0, std::log(2.0f), -kInf, std::log(5.0f)};
  std::array<int, 4> counts{};
  for (const int32_t token : draws(sampler(1), logits, 80'000)) {
    ++counts[static_cast<size_t>(token)];
  }
  // 1, 2, 0, 5 of 8; sigma is at most sqrt(80000 / 4) = 141.
  EXPECT_NEAR(counts[0], 10'000, 700);
  EXPECT_NEAR(counts[1], 20'000, 700);
  EXPECT_EQ(counts[2], 0);
  EXPECT_NEAR(counts[3], 50'000, 700);
  // At temperature 1/2 they are 1, 4, 0, 25 of 30.
  counts.fill(0);
  for (const int32_t token : draws(sampler(0.5f), logits, 60'000)) {
    ++counts[static_cast<size_t>(token)];
  }
  EXPECT_NEAR(counts[0], 2'000, 500);
  EXPECT_NEAR(counts[1], 8'000, 500);
}

TEST(SamplerTest, TopOneIsGreedy) {
  const auto logits = random_logits(500);
  const int32_t best = sampler(0).sample(logits);
  EXPECT_EQ(drawn(sampler(5, 1), logits), std::set<int32_t>{best});
  EXPECT_EQ(drawn(sampler(1, 0, FLT_MIN), logits), std::set<int32_t>{best});
  const std::vector<float> tied{0, 1, 1};
  EXPECT_EQ(drawn(sampler(1, 1), tied), std::set<int32_t>{1});
  EXPECT_EQ(drawn(sampler(1, 0, 0.1f), tied), std::set<int32_t>{1});
}

TEST(SamplerTest, TopKKeepsTheKBest) {
  const std::vector<float> logits{0.1f, 0.5f, 0.3f, 0.5f, 0.2f, -kInf};
  EXPECT_EQ(drawn(sampler(1, 2), logits), (std::set<int32_t>{1, 3}));
  EXPECT_EQ(drawn(sampler(1, 3), logits), (std::set<int32_t>{1, 2, 3}));
  for (const int32_t off : {0, 5, 6, INT32_MAX}) {
    EXPECT_EQ(drawn(sampler(1, off), logits), (std::set<int32_t>{0, 1, 2, 3, 4})) << off;
  }
}

TEST(SamplerTest, TopPKeepsTheFewestThatReachP) {
  // Probabilities 1/8, 1/2, 1/8, 1/4.
  const float l = std::log(2.0f);
  const std::vector<float> logits{0, 2 * l, 0, l};
  EXPECT_EQ(drawn(sampler(1, 0, 0.49f), logits), (std::set<int32_t>{1}));
  EXPECT_EQ(drawn(sampler(1, 0, 0.51f), logits), (std::set<int32_t>{1, 3}));
  EXPECT_EQ(drawn(sampler(1, 0, 0.74f), logits), (std::set<int32_t>{1, 3}));
  EXPECT_EQ(drawn(sampler(1, 0, 0.76f), logits), (std::set<int32_t>{0, 1, 3}));
  EXPECT_EQ(drawn(sampler(1, 0, 0.999999f), logits), (std::set<int32_t>{0, 1, 2, 3}));
  // p is of what top-k leaves: 2/3 and 1/3.
  EXPECT_EQ(drawn(sampler(1, 2, 0.6f), logits), (std::set<int32_t>{1}));
  EXPECT_EQ(drawn(sampler(1, 2, 0.7f), logits), (std::set<int32_t>{1, 3}));
  // What is kept keeps its proportions: 2 to 1.
  int first = 0;
  for (const int32_t token : draws(sampler(1, 0, 0.6f), logits, 30'000)) {
    first += token == 1 ? 1 : 0;
  }
  EXPECT_NEAR(first, 20'000, 500);
}

TEST(SamplerTest, ExtremesStayInTheDomainOfTheKernel) {
  const std::vector<float> far{1, -FLT_MAX, 1, -1e30f, -kInf};
  for (const float temperature : {0.1f, 1.0f, 100.0f}) {
    EXPECT_EQ(drawn(sampler(temperature), far), (std::set<int32_t>{0, 2})) << temperature;
  }
  EXPECT_EQ(drawn(sampler(FLT_MAX), far), (std::set<int32_t>{0, 1, 2, 3}));
  const std::vector<float> near{1, 2, 3};
  for (const float temperature : {1e-45f, 1e-38f, 1e-30f, 1e-3f}) {
    EXPECT_EQ(drawn(sampler(temperature), near), (std::set<int32_t>{2})) << temperature;
  }
  EXPECT_EQ(drawn(sampler(1), {FLT_MAX, -FLT_MAX}), (std::set<int32_t>{0}));
  EXPECT_EQ(drawn(sampler(FLT_MAX), near), (std::set<int32_t>{0, 1, 2}));
}

TEST(SamplerTest, ABrokenSoftmaxIsAnError) {
  const std::vector<float> logits{1, 2};
  for (const float p : {1.0f, 0.5f}) {
    for (const float bad : {0.0f, kNaN}) {
      Sampler s({1, 0, p, 0}, [&](float* y, const float*, float, size_t n) { std::fill_n(y, n, bad); });
      EXPECT_THROW(s.sample(logits), InputError);
    }
  }
}

}  // namespace
}  // namespace assay
