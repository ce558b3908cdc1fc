#include "harness/cli/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "harness/runtime/error.h"

namespace assay {
namespace {

/// Read here and not taken from the runner, so that a key that it mistakes for another is found, too.
reference::Hyperparameters hyperparameters(const GgufFile& file) {
  return {"gpt2",
          file.u32("gpt2.context_length"),
          file.u32("gpt2.embedding_length"),
          file.u32("gpt2.attention.head_count"),
          file.u32("gpt2.feed_forward_length"),
          file.u32("gpt2.block_count"),
          static_cast<double>(file.f32("gpt2.attention.layer_norm_epsilon"))};
}

reference::Gpt2 reference_model(const GgufFile& file) {
  reference::RawTensors tensors;
  for (const Tensor& tensor : file.tensors()) {
    tensors[tensor.name] = raw_tensor(tensor);
  }
  try {
    return reference::gpt2(tensors, hyperparameters(file));
  } catch (const std::invalid_argument& e) {
    throw InputError(fmt::format("{}: {}; run without --verify, or convert the model again", file.path(), e.what()));
  }
}

/// Tokens, of which the matrices may have more rows.
size_t vocabulary(const GgufFile& file) {
  const auto* tokens = file.find_strings("tokenizer.ggml.tokens");
  return tokens == nullptr ? std::numeric_limits<size_t>::max() : tokens->size();
}

double bound_over_largest(const reference::Gpt2& model) {
  const double of_floats = 8 * std::sqrt(static_cast<double>(model.n_embd)) * 0x1p-24;
  const bool rounds = model.output.rounds_activations() ||
                      std::ranges::any_of(model.blocks, [](const auto& block) { return block.rounds_activations(); });
  const double of_rounding = rounds ? 0x1p-6 : 0;
  return static_cast<double>(model.blocks.size() + 1) * (of_floats + of_rounding);
}

/// Infinite where one is a number and the other is not.
double error_of(double got, double want) {
  if (got == want || (std::isnan(got) && std::isnan(want))) {
    return 0;
  }
  const double error = std::fabs(got - want);
  return std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
}

}  // namespace

reference::RawTensor raw_tensor(const Tensor& tensor) {
  return {static_cast<uint32_t>(tensor.type), {tensor.shape().begin(), tensor.shape().end()}, tensor.data};
}

Verification::Verification(const GgufFile& file)
    : model_(reference_model(file)),
      vocabulary_(assay::vocabulary(file)),
      bound_over_largest_(assay::bound_over_largest(model_)) {}

void Verification::compare(std::span<const int32_t> tokens, std::span<const float> logits) {
  auto want = reference::forward(model_, {tokens.begin(), tokens.end()}, past_, caches_);
  want.resize(std::min(want.size(), vocabulary_));  // rows that pad the matrix are no tokens
  past_ += tokens.size();
  double error = logits.size() == want.size() ? 0 : std::numeric_limits<double>::infinity();
  double largest = 0;
  for (size_t i = 0; i < std::min(want.size(), logits.size()); ++i) {
    error = std::max(error, error_of(static_cast<double>(logits[i]), want[i]));
    largest = std::max(largest, std::isfinite(want[i]) ? std::fabs(want[i]) : 0);
  }
  worst_ = std::max(worst_, error);
  largest_ = std::max(largest_, largest);
  if (error > 0) {
    worst_over_bound_ = std::max(worst_over_bound_, error / (bound_over_largest_ * largest));
  }
  ++steps_;
  agreed_ += std::ranges::max_element(logits) - logits.begin() == std::ranges::max_element(want) - want.begin();
}

std::string Verification::summary() const {
  return fmt::format(
      "verify: worst logit error {:.3g} (largest logit {:.3g}), {:.3g} of the bound; most probable token agrees in {} "
      "of "
      "{} steps",
      worst_, largest_, worst_over_bound_, agreed_, steps_);
}

}  // namespace assay
