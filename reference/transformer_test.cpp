// From raw tensors to a model: names, shapes, formats; what does not fit is refused by name.
#include "reference/transformer.h"

#include <gtest/gtest.h>

#include <cmath>
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

/// A block of heads of `d` elements that turn, with all weights 1.
Block turning_block(const char* architecture, const Rope& rope, size_t d, const std::map<std::string, float>& factors) {
  const Hyperparameters sizes = {.architecture = architecture,
                                 .n_ctx = 1,
                                 .n_embd = d,
                                 .n_head = 1,
                                 .n_ff = 3,
                                 .n_layer = 1,
                                 .eps = 1e-5,
                                 .rope = rope};
  const std::vector<float> ones(d * d * 3 + 6 * d, 1);
  std::map<std::string, std::vector<float>> values;
  RawTensors raw;
  const std::map<std::string, std::vector<uint64_t>> shapes = {
      {"attn_norm", {d}},     {"ffn_norm", {d}},    {"attn_qkv", {d, 3 * d}}, {"attn_q", {d, d}},
      {"attn_k", {d, d}},     {"attn_v", {d, d}},   {"attn_output", {d, d}},  {"attn_q_norm", {d}},
      {"attn_k_norm", {d}},   {"ffn_gate", {d, 3}}, {"ffn_down", {3, d}},     {"post_attention_norm", {d}},
      {"post_ffw_norm", {d}}, {"ffn_up", {d, 3}},
  };
  for (const auto& [name, ne] : shapes) {
    const bool both = name == "ffn_up" && std::strcmp(architecture, "phi3") == 0;
    const std::vector<uint64_t> shape = both ? std::vector<uint64_t>{d, 6} : ne;
    raw[name + ".weight"] = {0, shape,
                             std::as_bytes(std::span(ones).first(shape[0] * (shape.size() > 1 ? shape[1] : 1)))};
  }
  for (const auto& [name, factor] : factors) {
    values[name].assign(d / 2, factor);
    raw[name] = {0, {d / 2}, std::as_bytes(std::span(values[name]))};
  }
  return block_of(raw, "", sizes);
}

// YaRN of heads of 128 with base 10000, a first context of 2048 and a factor of 16, worked out by hand: a pair turns 32 times in that
// context at 64 ln(2048 / (64 pi)) / ln(10000) = 16.1, and once at 64 ln(2048 / (2 pi)) / ln(10000) = 40.2. So pairs up to 16 are kept,
// those from 41 on divided, and pair 26 is on 10 of 25 steps between.
TEST(ReferenceTransformer, YarnDividesThePairsThatTurnSeldom) {
  const Rope rope = {.factor = 16, .yarn = 1, .first_context = 2048};
  const Block block = turning_block("llama", rope, 128, {});
  const auto left = [&](size_t i) { return block.frequencies[i] * std::pow(10000.0, static_cast<double>(i) / 64); };
  ASSERT_EQ(block.frequencies.size(), 64u);
  for (const size_t i : {0u, 5u, 16u}) {
    EXPECT_NEAR(left(i), 1, 1e-12) << i;
  }
  EXPECT_NEAR(left(26), 0.6 + 0.4 / 16, 1e-12);
  for (const size_t i : {41u, 63u}) {
    EXPECT_NEAR(left(i), 1.0 / 16, 1e-12) << i;
  }
}

TEST(ReferenceTransformer, FactorsDivideByTheContext) {
  const std::map<std::string, float> both = {{"rope_factors_long.weight", 8.0f}, {"rope_factors_short.weight", 2.0f}};
  EXPECT_EQ(turning_block("phi3", {}, 4, both).frequencies, (std::vector<double>{0.5, 0.005}));
  EXPECT_EQ(turning_block("phi3", {.is_long = true}, 4, both).frequencies, (std::vector<double>{0.125, 0.00125}));
  EXPECT_EQ(turning_block("phi3", {.takes_factors = false}, 4, both).frequencies, (std::vector<double>{1, 0.01}));
  EXPECT_THROW(turning_block("phi3", {.is_long = true}, 4, {{"rope_factors_short.weight", 2.0f}}),
               std::invalid_argument);
  EXPECT_EQ(turning_block("phi3", {.magnitude = 1.5}, 4, both).magnitude, 1.5);
}

// The rows of the gate are the first half.
TEST(ReferenceTransformer, AFusedGateIsTakenApart) {
  const Hyperparameters sizes = {"phi3", 1, 2, 1, 1, 1, 1e-5};
  const std::vector<float> numbers = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  RawTensors raw;
  const std::map<std::string, std::vector<uint64_t>> shapes = {{"attn_norm", {2}},   {"ffn_norm", {2}},
                                                               {"attn_qkv", {2, 6}}, {"attn_output", {2, 2}},
                                                               {"ffn_up", {2, 2}},   {"ffn_down", {1, 2}}};
  for (const auto& [name, ne] : shapes) {
    raw[name + ".weight"] = {0, ne, std::as_bytes(std::span(numbers).first(ne[0] * (ne.size() > 1 ? ne[1] : 1)))};
  }
  const Block block = block_of(raw, "", sizes);
  EXPECT_EQ(block.gate.w, (std::vector<double>{1, 2}));
  EXPECT_EQ(block.up.w, (std::vector<double>{3, 4}));
  EXPECT_EQ(block.q.w, (std::vector<double>{1, 2, 3, 4}));
  EXPECT_EQ(block.v.w, (std::vector<double>{9, 10, 11, 12}));
  raw["ffn_up.weight"].ne = {2, 1};
  EXPECT_THROW(block_of(raw, "", sizes), std::invalid_argument);
}

/// A model of so many blocks, all of whose weights are 1.
Model model_of_ones(const Hyperparameters& sizes) {
  static const std::vector<float> ones(64, 1);
  RawTensors raw;
  const auto add = [&](const std::string& name, std::vector<uint64_t> ne) {
    const size_t n = ne[0] * (ne.size() > 1 ? ne[1] : 1);
    raw[name + ".weight"] = {0, std::move(ne), std::as_bytes(std::span(ones).first(n))};
  };
  add("token_embd", {4, 5});
  add("output_norm", {4});
  for (size_t i = 0; i < sizes.n_layer; ++i) {
    const std::string block = "blk." + std::to_string(i) + ".";
    for (const char* norm :
         {"attn_norm", "ffn_norm", "attn_q_norm", "attn_k_norm", "post_attention_norm", "post_ffw_norm"}) {
      add(block + norm, {4});
    }
    for (const char* matrix : {"attn_q", "attn_k", "attn_v", "attn_output"}) {
      add(block + matrix, {4, 4});
    }
    add(block + "ffn_gate", {4, 3});
    add(block + "ffn_up", {4, 3});
    add(block + "ffn_down", {3, 4});
  }
  return model_of(raw, sizes);
}

TEST(ReferenceTransformer, TheLastBlockOfEachPeriodSeesAll) {
  Hyperparameters sizes = {"gemma3", 9, 4, 1, 3, 7, 1e-5};
  sizes.window = 3;
  sizes.full_every = 3;
  sizes.rope.base = 100;
  sizes.has_window_rope = true;
  sizes.window_rope.base = 10000;
  const Model model = model_of_ones(sizes);
  for (size_t i = 0; i < 7; ++i) {
    const bool sees_all = i == 2 || i == 5;
    EXPECT_EQ(model.blocks[i].window, sees_all ? 0u : 3u) << i;
    EXPECT_NEAR(model.blocks[i].frequencies[1], sees_all ? 0.1 : 0.01, 1e-15) << i;
  }
}

}  // namespace
}  // namespace reference
