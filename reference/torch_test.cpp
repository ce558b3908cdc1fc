// The reference against an independent implementation: numbers that PyTorch computed in double (testdata/make.py).
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <span>
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

const std::map<std::string, Values>& all_of_torch() {
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
  return all;
}

const Values& torch(const std::string& name) { return all_of_torch().at(name); }
bool has(const std::string& name) { return all_of_torch().contains(name); }

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

constexpr size_t kTokens = 7;

/// What a block of testdata/make.py is made of: the tensors of its file, and what they do not say.
struct Block {
  explicit Block(const std::string& of) : name(of) {
    const Values& sizes = torch(name + ".sizes");
    const auto size = [&](size_t i) { return static_cast<size_t>(sizes.at(i)); };
    hyper.architecture = name.substr(0, name.find('/'));
    hyper.n_ctx = kTokens;
    hyper.n_embd = size(0);
    hyper.n_head = size(1);
    hyper.n_head_kv = size(2);
    hyper.head_size = size(3);
    hyper.n_ff = size(4);
    hyper.rotated = size(5);
    hyper.window = size(6);
    hyper.is_parallel = size(7) != 0;
    hyper.softcap = sizes.at(8);
    hyper.rope.base = sizes.at(9);
    hyper.eps = sizes.at(10);
    if (has(name + ".rope")) {
      const Values& rope = torch(name + ".rope");
      hyper.rope.factor = rope.at(0);
      hyper.rope.yarn = rope.at(1);
      hyper.rope.often = rope.at(2);
      hyper.rope.seldom = rope.at(3);
      hyper.rope.first_context = static_cast<size_t>(rope.at(4));
      hyper.rope.magnitude = rope.at(5);
    }
  }

  /// Its tensors, with the shapes that the file would give them.
  reference::Block read() {
    const size_t n = hyper.n_embd;
    const size_t wide = hyper.n_head * hyper.head_size;
    const size_t kept = hyper.n_head_kv * hyper.head_size;
    const std::map<std::string, std::vector<uint64_t>> shapes = {
        {"attn_norm", {n}},
        {"ffn_norm", {n}},
        {"attn_q_norm", {hyper.head_size}},
        {"attn_k_norm", {hyper.head_size}},
        {"attn_sub_norm", {wide}},
        {"ffn_sub_norm", {hyper.n_ff}},
        {"post_attention_norm", {n}},
        {"post_ffw_norm", {n}},
        {"attn_qkv", {n, wide + 2 * kept}},
        {"attn_q", {n, wide}},
        {"attn_k", {n, kept}},
        {"attn_v", {n, kept}},
        {"attn_output", {wide, n}},
        {"ffn_gate", {n, hyper.n_ff}},
        {"ffn_up", {n, hyper.architecture == "phi3" ? 2 * hyper.n_ff : hyper.n_ff}},
        {"ffn_down", {hyper.n_ff, n}},
        {"rope_factors_short", {hyper.rotated / 2}},
    };
    reference::RawTensors raw;
    for (const auto& [tensor, ne] : shapes) {
      for (const char* kind : {".weight", ".bias", ".scale"}) {
        const std::string key = name + "." + tensor + kind;
        if (!has(key)) {
          continue;
        }
        const std::vector<float>& v = values[key] = floats(key);
        const bool is_weight = std::string(kind) == ".weight";
        raw[tensor + kind] = {0, is_weight ? ne : std::vector<uint64_t>{v.size()}, std::as_bytes(std::span(v))};
      }
    }
    return reference::block_of(raw, "", hyper);
  }

  std::string name;
  reference::Hyperparameters hyper;
  std::map<std::string, std::vector<float>> values;
};

const char* const kBlocks[] = {"gpt2",   "llama",        "qwen2",  "qwen3",  "gptneox", "gptneox/parallel",
                               "bitnet", "bitnet-b1.58", "gemma2", "gemma3", "phi3",    "llama/yarn"};

TEST(Torch, Blocks) {
  for (const char* name : kBlocks) {
    SCOPED_TRACE(name);
    Block block(name);
    Values x = torch(block.name + ".x");
    reference::KvCache cache;
    reference::forward(block.read(), x, kTokens, cache);
    expect_near(x, torch(block.name + ".y"));
  }
}

TEST(Torch, BlocksThroughTheCacheTokenByToken) {
  for (const char* name : kBlocks) {
    SCOPED_TRACE(name);
    Block block(name);
    const reference::Block read = block.read();
    const Values x = torch(block.name + ".x");
    const auto n = static_cast<std::ptrdiff_t>(read.n_embd);
    Values y;
    reference::KvCache cache;
    for (std::ptrdiff_t t = 0; t < static_cast<std::ptrdiff_t>(kTokens); ++t) {
      Values row(x.begin() + n * t, x.begin() + n * (t + 1));
      reference::forward(read, row, 1, cache);
      y.insert(y.end(), row.begin(), row.end());
    }
    expect_near(y, torch(block.name + ".y"));
  }
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
