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
      {"gptneox", false, true, Turn::halves, Activation::gelu_erf, false, false, false, false},
      {"llama", true, false, Turn::neighbours, Activation::swiglu},
      {"qwen2", true, false, Turn::halves, Activation::swiglu},
      {"qwen3", true, false, Turn::halves, Activation::swiglu, true},
      {"bitnet", true, false, Turn::halves, Activation::swiglu, false, true},
      {"bitnet-b1.58", true, false, Turn::halves, Activation::relu2_glu, false, true},
      {"gemma2", true, false, Turn::halves, Activation::geglu, false, false, true},
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

std::vector<double> BlockSizes::frequencies() const {
  std::vector<double> all(architecture->turn == Turn::none ? 0 : rotated / 2);
  for (size_t i = 0; i < all.size(); ++i) {
    const double factor = rope_factors.empty() ? 1 : static_cast<double>(rope_factors[i]);
    all[i] = std::pow(rope_base, -2.0 * static_cast<double>(i) / static_cast<double>(rotated)) / (rope_factor * factor);
  }
  return all;
}

}  // namespace assay
