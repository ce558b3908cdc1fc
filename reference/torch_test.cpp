// The reference against an independent implementation: numbers that PyTorch computed in double (testdata/make.py).
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "reference/attention_f32.h"
#include "reference/dot_f32.h"
#include "reference/exp_f32.h"
#include "reference/gelu_f32.h"
#include "reference/layer_norm_f32.h"
#include "reference/rms_norm_f32.h"
#include "reference/softmax_f32.h"
#include "reference/transformer.h"

namespace {

using Values = std::vector<double>;

const Values& torch(const std::string& name) {
  static const std::map<std::string, Values> all = [] {
    std::map<std::string, Values> read;
    std::ifstream file(ASSAY_SOURCE_DIR "/reference/testdata/torch.txt");
    std::string key;
    for (size_t count = 0; file >> key >> count;) {
      Values& values = read[key];
      for (std::string hex; values.size() < count && file >> hex;) {
        values.push_back(std::strtod(hex.c_str(), nullptr));
      }
    }
    return read;
  }();
  return all.at(name);
}

std::vector<float> floats(const std::string& name) {
  const Values& values = torch(name);
  return {values.begin(), values.end()};
}

void expect_near(const Values& got, const Values& want) {
  ASSERT_EQ(got.size(), want.size());
  ASSERT_FALSE(want.empty());
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_NEAR(got[i], want[i], 1e-13 * (1 + std::fabs(want[i]))) << "element " << i;
  }
}

reference::Linear linear(const std::string& name, size_t rows, size_t cols) {
  return {rows, cols, torch("block." + name + ".w"), torch("block." + name + ".b")};
}

reference::Gpt2Block block() {
  reference::Gpt2Block b;
  b.n_embd = 12;
  b.n_head = 3;
  b.ln1 = {torch("block.ln1.w"), torch("block.ln1.b"), 1e-5};
  b.ln2 = {torch("block.ln2.w"), torch("block.ln2.b"), 1e-5};
  b.qkv = linear("qkv", 36, 12);
  b.proj = linear("proj", 12, 12);
  b.up = linear("up", 20, 12);
  b.down = linear("down", 12, 20);
  return b;
}

TEST(Torch, Gpt2Block) {
  Values x = torch("block.x");
  reference::KvCache cache;
  reference::forward(block(), x, 7, cache);
  expect_near(x, torch("block.y"));
}

TEST(Torch, Gpt2BlockThroughTheCacheTokenByToken) {
  const Values x = torch("block.x");
  Values y;
  reference::KvCache cache;
  for (size_t t = 0; t < 7; ++t) {
    Values row(x.begin() + static_cast<std::ptrdiff_t>(12 * t), x.begin() + static_cast<std::ptrdiff_t>(12 * (t + 1)));
    reference::forward(block(), row, 1, cache);
    y.insert(y.end(), row.begin(), row.end());
  }
  expect_near(y, torch("block.y"));
}

TEST(Torch, Elementwise) {
  Values exp;
  Values gelu;
  for (const float x : floats("x")) {
    exp.push_back(reference::exp_f32(static_cast<double>(x)));
    gelu.push_back(reference::gelu_f32(static_cast<double>(4 * x)));
  }
  expect_near(exp, torch("exp"));
  expect_near(gelu, torch("gelu"));
}

TEST(Torch, Rows) {
  const auto x = floats("x");
  const auto w = floats("w");
  const auto b = floats("b");
  const reference::SoftmaxRow row = reference::softmax_f32_row(x.data(), 2.5f, x.size());
  Values softmax;
  for (const float v : x) {
    softmax.push_back(reference::softmax_f32(v, 2.5f, row).value);
  }
  expect_near(softmax, torch("softmax"));
  Values y(x.size());
  // eps is a float to the reference and a double to PyTorch: 1e-5f differs by 2.5e-13, which moves y by less than 1e-12.
  const auto expect_close = [&](const Values& want) {
    for (size_t i = 0; i < want.size(); ++i) {
      EXPECT_NEAR(y[i], want[i], 1e-12 * (1 + std::fabs(want[i])));
    }
  };
  reference::layer_norm_f32(y.data(), x.data(), w.data(), b.data(), 1e-5f, x.size());
  expect_close(torch("layer_norm"));
  reference::rms_norm_f32(y.data(), x.data(), w.data(), 1e-5f, x.size());
  expect_close(torch("rms_norm"));
  EXPECT_NEAR(reference::dot_f32(x.data(), w.data(), x.size()).sum, torch("dot")[0], 1e-12);
}

// One head by the kernel-level oracle against the whole-row softmax of the same scores.
TEST(Torch, AttentionIsSoftmaxOfDotsOverValues) {
  const auto q = floats("x");
  const auto k = floats("w");
  constexpr size_t kSize = 11;
  constexpr size_t kKeys = 3;
  const reference::AttentionRow row = reference::attention_f32_row(q.data(), k.data(), kSize, kKeys, kSize, 0.25f);
  std::vector<double> scores;
  double sum = 0;
  for (size_t j = 0; j < kKeys; ++j) {
    scores.push_back(std::exp(0.25 * reference::dot_f32(q.data(), k.data() + j * kSize, kSize).sum));
    sum += scores.back();
  }
  for (size_t j = 0; j < kKeys; ++j) {
    EXPECT_NEAR(row.weights[j], scores[j] / sum, 1e-13);
  }
}

}  // namespace
