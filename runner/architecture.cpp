#include "runner/architecture.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "harness/runtime/error.h"

namespace assay {

std::span<const Architecture> architectures() {
  static const Architecture all[] = {
      {"gpt2", false, true, Turn::none, Activation::gelu},
      {.name = "gptneox",
       .root_mean_square = false,
       .fused_qkv = true,
       .turn = Turn::halves,
       .activation = Activation::gelu_erf,
       .may_tie_output = false},
      {"llama", true, false, Turn::neighbours, Activation::swiglu},
      {"qwen2", true, false, Turn::halves, Activation::swiglu},
      {.name = "qwen3",
       .root_mean_square = true,
       .fused_qkv = false,
       .turn = Turn::halves,
       .activation = Activation::swiglu,
       .head_norms = true},
      {.name = "bitnet",
       .root_mean_square = true,
       .fused_qkv = false,
       .turn = Turn::halves,
       .activation = Activation::swiglu,
       .sub_norms = true},
      {.name = "bitnet-b1.58",
       .root_mean_square = true,
       .fused_qkv = false,
       .turn = Turn::halves,
       .activation = Activation::relu2_glu,
       .sub_norms = true},
      {.name = "gemma2",
       .root_mean_square = true,
       .fused_qkv = false,
       .turn = Turn::halves,
       .activation = Activation::geglu,
       .post_norms = true,
       .windows = Windows{2, 4096},
       .gemma = Gemma{50, 30, 46}},
      {.name = "gemma3",
       .root_mean_square = true,
       .fused_qkv = false,
       .turn = Turn::halves,
       .activation = Activation::geglu,
       .head_norms = true,
       .post_norms = true,
       .windows = Windows{6, 0, 10000},
       .gemma = Gemma{0, 0, 62}},
      {.name = "phi3",
       .root_mean_square = true,
       .fused_qkv = true,
       .turn = Turn::halves,
       .activation = Activation::swiglu,
       .fused_gate = true,
       .windows = Windows{0, 0}},
  };
  return all;
}

const char* kernel_of(Activation activation) {
  switch (activation) {
    case Activation::gelu:
      return "gelu_f32";
    case Activation::gelu_erf:
      return "gelu_erf_f32";
    case Activation::swiglu:
      return "swiglu_f32";
    case Activation::geglu:
      return "geglu_f32";
    case Activation::relu2_glu:
      return "relu2_glu_f32";
  }
  return "";
}

const Architecture& find_architecture(std::string_view name) {
  const auto all = architectures();
  const auto found = std::ranges::find(all, name, &Architecture::name);
  if (found == all.end()) {
    std::vector<std::string_view> names;
    for (const Architecture& a : all) {
      names.emplace_back(a.name);
    }
    throw InputError(fmt::format("there is no architecture '{}'; they are: {}", name, fmt::join(names, ", ")));
  }
  return *found;
}

float BlockSizes::attention_scale() const {
  return scale != 0 ? scale : 1.0f / std::sqrt(static_cast<float>(head_size));
}

// The bounds are whole pairs, as the authors' code has them (jquesnelle/yarn, LlamaYaRNScaledRotaryEmbedding.py).
double Yarn::kept(size_t i, size_t rotated, double base) const {
  const auto pairs = static_cast<double>(rotated);
  const auto pair_that_turns = [&](double times) {
    return pairs * std::log(static_cast<double>(n_ctx) / (times * 2 * M_PI)) / (2 * std::log(base));
  };
  const double low = std::max(0.0, std::floor(pair_that_turns(beta_fast)));
  const double high = std::min(pairs - 1, std::ceil(pair_that_turns(beta_slow)));
  return 1 - std::clamp((static_cast<double>(i) - low) / std::max(0.001, high - low), 0.0, 1.0);
}

double yarn_magnitude(double factor, double multiplier) {
  const auto m = [&](double x) { return factor <= 1 ? 1 : 1 + 0.1 * x * std::log(factor); };
  return m(1) / (multiplier == 0 ? 1 : m(multiplier));
}

std::vector<double> BlockSizes::frequencies() const {
  std::vector<double> all(architecture->turn == Turn::none ? 0 : rotated / 2);
  for (size_t i = 0; i < all.size(); ++i) {
    const double factor = rope_factors.empty() ? 1 : static_cast<double>(rope_factors[i]);
    const double whole = std::pow(rope_base, -2.0 * static_cast<double>(i) / static_cast<double>(rotated)) / factor;
    const double kept = yarn.extrapolation == 0 ? 0 : yarn.extrapolation * yarn.kept(i, rotated, rope_base);
    all[i] = whole * kept + whole / rope_factor * (1 - kept);
  }
  return all;
}

bool BlockSizes::can_turn() const {
  constexpr double kLargestAngle = 0x1p20;
  constexpr float kLargestMagnitude = 0x1p20f;
  return rope_magnitude >= 1 / kLargestMagnitude && rope_magnitude <= kLargestMagnitude &&
         std::ranges::all_of(frequencies(), [&](double f) {  // NaN is none of them
           return std::fabs(f) * static_cast<double>(n_ctx) <= kLargestAngle;
         });
}

}  // namespace assay
