#include "harness/cli/perplexity.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "harness/runtime/dispatch.h"
#include "harness/runtime/rng.h"
#include "harness/runtime/testing.h"
#include "runner/model.h"
#include "runner/tokenizer.h"

namespace assay {
namespace {

const std::string kModelOfSums = std::string(ASSAY_SOURCE_DIR) + "/models/sums.gguf";

std::string some_sums() {
  std::string text;
  Rng rng(1);
  for (int i = 0; i < 40; ++i) {
    const uint64_t a = rng.below(50);
    const uint64_t b = rng.below(50);
    text += fmt::format("{}+{}={}\n", a, b, a + b);
  }
  return text;
}

/// The number behind `name`.
double number_behind(const std::string& text, const std::string& name) {
  const size_t at = text.find(name);
  EXPECT_NE(at, std::string::npos) << name << " in " << text;
  return at == std::string::npos ? NAN : std::stod(text.substr(at + name.size()));
}

TEST(Perplexity, MeanAndItsError) {
  MeanOf mean;
  EXPECT_EQ(mean.error(), 0);
  for (const double x : {1, 2, 3, 6}) {
    mean.add(x);
  }
  EXPECT_DOUBLE_EQ(mean.mean(), 3);
  EXPECT_DOUBLE_EQ(mean.error(), std::sqrt((1 + 4 + 9 + 36) / 4.0 - 9) / std::sqrt(3.0));
}

TEST(Perplexity, SurpriseIsOfTheSoftmax) {
  const std::vector<float> logits = {0, std::log(2.0f), std::log(5.0f)};
  EXPECT_NEAR(surprise(logits, 1), std::log(4), 1e-7);
  EXPECT_NEAR(surprise(std::vector<float>{1000, 1000}, 0), std::log(2), 1e-12) << "overflow";
}

TEST(Perplexity, Quantiles) {
  const std::vector<double> values = {0, 10, 20, 30, 40};
  EXPECT_DOUBLE_EQ(quantile(values, 0), 0);
  EXPECT_DOUBLE_EQ(quantile(values, 0.5), 20);
  EXPECT_DOUBLE_EQ(quantile(values, 0.9), 36);
  EXPECT_DOUBLE_EQ(quantile(values, 1), 40);
}

TEST(Perplexity, DivergenceByHand) {
  Divergence d;
  const std::vector<float> base = {std::log(0.5f), std::log(0.25f), std::log(0.25f)};
  const std::vector<float> other = {std::log(0.25f), std::log(0.5f), std::log(0.25f)};
  d.add(other, base, 1);
  EXPECT_NEAR(d.divergence.mean(), 0.5 * std::log(2) - 0.25 * std::log(2), 1e-7);
  EXPECT_NEAR(d.change.mean(), 0.25, 1e-7);
  EXPECT_NEAR(d.log_ratio.mean(), -std::log(2), 1e-7);
  EXPECT_EQ(d.same_top.mean(), 0);
  // A token that the base holds for all but impossible is left out.
  Divergence rare;
  rare.add(std::vector<float>{0, -1000}, std::vector<float>{0, -20}, 0);
  EXPECT_NEAR(rare.divergence.mean(), 0, 1e-8);
}

// Token by token, which shares nothing with the command but the model.
TEST(Perplexity, OfTheShippedModel) {
  const TemporaryFile text(some_sums());
  const auto run = run_assay({"perplexity", "-m", kModelOfSums, "-f", text.path(), "-c", "32", "--cache-type", "f32"});
  ASSERT_EQ(run.status, 0) << run.err;

  Dispatch dispatch(detect_cpu(), std::map<std::string, std::string>());
  const GgufFile file = GgufFile::open(kModelOfSums);
  const Tokenizer tokenizer(file);
  Model model(file, dispatch, 1, {.n_ctx = 32, .cache = CacheType::f32});
  const std::vector<int32_t> tokens = tokenizer.encode_text(some_sums());
  std::vector<double> all;
  for (size_t chunk = 0; chunk + 32 <= tokens.size(); chunk += 32) {
    model.reset();
    for (size_t i = 0; i < 31; ++i) {
      const int32_t token = i == 0 ? tokenizer.begins().value_or(tokens[chunk]) : tokens[chunk + i];
      const auto logits = model.eval(std::span(&token, 1));
      double sum = 0;
      for (const float logit : logits) {
        sum += std::exp(static_cast<double>(logit));
      }
      if (i >= 16) {
        all.push_back(std::log(sum) - static_cast<double>(logits[static_cast<size_t>(tokens[chunk + i + 1])]));
      }
    }
  }
  const double mean = std::accumulate(all.begin(), all.end(), 0.0) / static_cast<double>(all.size());
  EXPECT_NEAR(number_behind(run.out, "PPL = "), std::exp(mean), 2e-4 * std::exp(mean));
  EXPECT_NE(run.err.find(fmt::format("{} chunks of 32 tokens, of which 15 are judged", tokens.size() / 32)),
            std::string::npos)
      << run.err;
}

TEST(Perplexity, OfAModelBesideItselfAndBesideANarrowerOne) {
  const TemporaryFile text(some_sums());
  const TemporaryFolder folder;
  const std::string narrow = folder.path("narrow.gguf");
  ASSERT_EQ(run_assay({"quantize", kModelOfSums, narrow, "--type", "q4_0"}).status, 0);
  const auto beside = [&](const std::string& model) {
    const auto run = run_assay({"perplexity", "-m", model, "-f", text.path(), "-c", "32", "--kl", kModelOfSums});
    EXPECT_EQ(run.status, 0) << run.err;
    return run.out;
  };
  const std::string same = beside(kModelOfSums);
  EXPECT_EQ(number_behind(same, "\nKL divergence"), 0) << same;
  EXPECT_EQ(number_behind(same, "same most probable token, %"), 100) << same;
  const std::string other = beside(narrow);
  EXPECT_GT(number_behind(other, "\nKL divergence"), 0) << other;
  EXPECT_NE(number_behind(other, "\nPPL "), number_behind(other, "PPL of the base ")) << other;
}

TEST(Perplexity, WhatCannotBeJudgedIsRefused) {
  const TemporaryFile text(some_sums());
  const TemporaryFile little("1+1=2\n");
  expect_refused({"perplexity", "-m", kModelOfSums, "-f", little.path(), "-c", "32"}, "two chunks of 32 are needed");
  expect_refused({"perplexity", "-m", kModelOfSums, "-f", text.path(), "-c", "3"}, "-c 3");
  expect_refused({"perplexity", "-m", kModelOfSums, "-f", text.path() + ".none"}, text.path() + ".none");
}

TEST(BenchModel, PrintsItsFieldsInEveryForm) {
  const std::vector<std::string> tests = {"bench-model", "-m", kModelOfSums, "-p", "16,0", "-n",
                                          "4",           "-d", "0,8",        "-r", "2",    "-q"};
  const auto in = [&](const std::string& form) {
    std::vector<std::string> arguments = tests;
    arguments.insert(arguments.end(), {"-o", form});
    const auto run = run_assay(arguments);
    EXPECT_EQ(run.status, 0) << run.err;
    EXPECT_EQ(run.err, "");
    return run.out;
  };
  const auto rows = nlohmann::json::parse(in("json"));
  ASSERT_EQ(rows.size(), 4u);  // pp16, tg4, each at both depths
  EXPECT_EQ(rows[0]["n_prompt"], 16);
  EXPECT_EQ(rows[3]["n_gen"], 4);
  EXPECT_EQ(rows[3]["n_depth"], 8);
  for (const auto& row : rows) {
    const auto samples = row["samples_ts"].get<std::vector<double>>();
    ASSERT_EQ(samples.size(), 2u);
    EXPECT_NEAR(row["avg_ts"].get<double>(), (samples[0] + samples[1]) / 2, 1e-9 * samples[0]);
    EXPECT_GT(samples[0], 0);
    EXPECT_GT(row["peak_memory"].get<size_t>(), row["weight_bytes"].get<size_t>());
  }
  const std::string lines = in("jsonl");
  EXPECT_EQ(std::ranges::count(lines, '\n'), 4);
  const std::string csv = in("csv");
  EXPECT_EQ(std::ranges::count(csv, '\n'), 5);
  EXPECT_EQ(csv.find("cpu_info,model_filename,"), 0u) << csv;
  const std::string md = in("md");
  for (const char* name : {" pp16 |", " tg4 |", " pp16 @ d8 |", " tg4 @ d8 |"}) {
    EXPECT_NE(md.find(name), std::string::npos) << name << md;
  }
}

TEST(BenchModel, NothingToTimeIsRefused) {
  expect_refused({"bench-model", "-m", kModelOfSums, "-p", "0", "-n", "0"}, "-p 0 and -n 0");
  expect_refused({"bench-model", "-m", kModelOfSums, "-p", "2000000"}, "-p");
}

}  // namespace
}  // namespace assay
