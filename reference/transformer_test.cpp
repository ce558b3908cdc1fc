// From raw tensors to a model: names, shapes, formats; what does not fit is refused by name.
#include "reference/transformer.h"

#include <gtest/gtest.h>

#include <cstring>
#include <stdexcept>

namespace reference {
namespace {

const Hyperparameters kSizes = {"gpt2", 4, 2, 1, 3, 1, 1e-5};
constexpr size_t kVocabulary = 5;

/// The tensors of a model of kSizes; tensor k (in order of their names) has the weights 1000 k, 1000 k + 1, ...
struct TinyModel {
  std::map<std::string, std::vector<float>> values;
  RawTensors raw;

  TinyModel() {
    const size_t n = kSizes.n_embd;
    const size_t ff = kSizes.n_ff;
    const std::map<std::string, std::vector<uint64_t>> shapes = {
        {"token_embd.weight", {n, kVocabulary}},
        {"position_embd.weight", {n, kSizes.n_ctx}},
        {"output_norm.weight", {n}},
        {"output_norm.bias", {n}},
        {"blk.0.attn_norm.weight", {n}},
        {"blk.0.attn_norm.bias", {n}},
        {"blk.0.attn_qkv.weight", {n, 3 * n}},
        {"blk.0.attn_qkv.bias", {3 * n}},
        {"blk.0.attn_output.weight", {n, n}},
        {"blk.0.attn_output.bias", {n}},
        {"blk.0.ffn_norm.weight", {n}},
        {"blk.0.ffn_norm.bias", {n}},
        {"blk.0.ffn_up.weight", {n, ff}},
        {"blk.0.ffn_up.bias", {ff}},
        {"blk.0.ffn_down.weight", {ff, n}},
        {"blk.0.ffn_down.bias", {n}},
    };
    for (const auto& [name, ne] : shapes) {
      auto& v = values[name];
      v.resize(ne[0] * (ne.size() > 1 ? ne[1] : 1));
      for (size_t i = 0; i < v.size(); ++i) {
        v[i] = static_cast<float>(1000 * raw.size() + i);
      }
      raw[name] = {0, ne, std::as_bytes(std::span(v))};
    }
  }

  std::vector<double> of(const std::string& name) const { return {values.at(name).begin(), values.at(name).end()}; }
};

std::string refusal(const RawTensors& raw) {
  try {
    model_of(raw, kSizes);
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return "";
}

TEST(ReferenceTransformer, EveryTensorGoesWhereItsNameSays) {
  const TinyModel tiny;
  const Model m = model_of(tiny.raw, kSizes);
  EXPECT_EQ(m.n_vocab, kVocabulary);
  EXPECT_EQ(m.token_embd, tiny.of("token_embd.weight"));
  EXPECT_EQ(m.position_embd, tiny.of("position_embd.weight"));
  EXPECT_EQ(m.output_norm.w, tiny.of("output_norm.weight"));
  EXPECT_EQ(m.output_norm.b, tiny.of("output_norm.bias"));
  EXPECT_EQ(m.output.w, m.token_embd);
  EXPECT_TRUE(m.output.b.empty());
  ASSERT_EQ(m.blocks.size(), 1u);
  const Block& b = m.blocks[0];
  const auto expect_norm = [&](const Norm& norm, const std::string& name) {
    EXPECT_EQ(norm.w, tiny.of("blk.0." + name + ".weight"));
    EXPECT_EQ(norm.b, tiny.of("blk.0." + name + ".bias"));
    EXPECT_EQ(norm.eps, kSizes.eps);
  };
  expect_norm(b.attn_norm, "attn_norm");
  expect_norm(b.ffn_norm, "ffn_norm");
  const auto expect_linear = [&](const Linear& linear, const std::string& name, size_t rows, size_t cols) {
    EXPECT_EQ(linear.w, tiny.of("blk.0." + name + ".weight"));
    EXPECT_EQ(linear.b, tiny.of("blk.0." + name + ".bias"));
    EXPECT_EQ(linear.rows, rows);
    EXPECT_EQ(linear.cols, cols);
    EXPECT_FALSE(linear.rounds_activations());
  };
  const std::vector<double> qkv = tiny.of("blk.0.attn_qkv.weight");
  const std::vector<double> bias = tiny.of("blk.0.attn_qkv.bias");
  const Linear* const parts[] = {&b.q, &b.k, &b.v};
  for (size_t i = 0; i < 3; ++i) {
    const auto w = qkv.begin() + static_cast<std::ptrdiff_t>(4 * i);
    const auto v = bias.begin() + static_cast<std::ptrdiff_t>(2 * i);
    EXPECT_EQ(parts[i]->w, std::vector<double>(w, w + 4));
    EXPECT_EQ(parts[i]->b, std::vector<double>(v, v + 2));
    EXPECT_EQ(parts[i]->rows, 2u);
    EXPECT_EQ(parts[i]->cols, 2u);
  }
  expect_linear(b.proj, "attn_output", 2, 2);
  expect_linear(b.up, "ffn_up", 3, 2);
  expect_linear(b.down, "ffn_down", 2, 3);
}

TEST(ReferenceTransformer, AnOutputMatrixOfItsOwnIsTaken) {
  TinyModel tiny;
  const std::vector<float> output(kSizes.n_embd * kVocabulary, 7);
  tiny.raw["output.weight"] = {0, {kSizes.n_embd, kVocabulary}, std::as_bytes(std::span(output))};
  EXPECT_EQ(model_of(tiny.raw, kSizes).output.w, std::vector<double>(10, 7));
}

TEST(ReferenceTransformer, EveryTensorIsNeeded) {
  const TinyModel tiny;
  for (const auto& [name, tensor] : tiny.raw) {
    auto raw = tiny.raw;
    raw.erase(name);
    EXPECT_NE(refusal(raw).find(name + ": it is missing"), std::string::npos) << name << ": " << refusal(raw);
  }
}

TEST(ReferenceTransformer, AWrongShapeTypeOrSizeIsRefusedByName) {
  const TinyModel tiny;
  for (const auto& [name, tensor] : tiny.raw) {
    auto raw = tiny.raw;
    raw[name].ne.back() += 1;
    EXPECT_NE(refusal(raw), "") << name;
    raw = tiny.raw;
    raw[name].ne.push_back(1);
    EXPECT_NE(refusal(raw).find(name), std::string::npos) << name;
    raw = tiny.raw;
    raw[name].type = 99;
    EXPECT_NE(refusal(raw).find(name + ": its type 99 has no decoder"), std::string::npos) << name;
    raw = tiny.raw;
    raw[name].bytes = tensor.bytes.first(tensor.bytes.size() - 1);
    EXPECT_NE(refusal(raw).find(name), std::string::npos) << name;
    raw = tiny.raw;
    raw[name].type = 41;  // rows of 2 or 3 weights are no blocks of 128
    EXPECT_NE(refusal(raw).find(name), std::string::npos) << name;
  }
}

// One matrix of Q1_0 in a block: its activations alone are rounded.
TEST(ReferenceTransformer, RoundingOfActivationsIsTheMatrixsOwn) {
  const Hyperparameters sizes = {"gpt2", 1, 128, 1, 128, 1, 1e-5};
  const std::vector<float> zeros(128 * 384, 0);
  const std::vector<std::byte> q1(128 * 18);
  RawTensors raw;
  for (const char* norm : {"attn_norm", "ffn_norm"}) {
    raw[std::string(norm) + ".weight"] = {0, {128}, std::as_bytes(std::span(zeros).first(128))};
    raw[std::string(norm) + ".bias"] = {0, {128}, std::as_bytes(std::span(zeros).first(128))};
  }
  for (const char* name : {"attn_qkv", "attn_output", "ffn_up", "ffn_down"}) {
    const size_t rows = std::strcmp(name, "attn_qkv") == 0 ? 384 : 128;
    raw[std::string(name) + ".weight"] = {0, {128, rows}, std::as_bytes(std::span(zeros).first(128 * rows))};
    raw[std::string(name) + ".bias"] = {0, {rows}, std::as_bytes(std::span(zeros).first(rows))};
  }
  EXPECT_FALSE(block_of(raw, "", sizes).rounds_activations());
  raw["ffn_up.weight"] = {41, {128, 128}, q1};
  const Block block = block_of(raw, "", sizes);
  EXPECT_EQ(block.up.activations, Activations::q8_0);
  for (const Linear* linear : {&block.q, &block.k, &block.v, &block.proj, &block.down}) {
    EXPECT_FALSE(linear->rounds_activations());
  }
  EXPECT_TRUE(block.rounds_activations());
}

}  // namespace
}  // namespace reference
