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
reference::Hyperparameters hyperparameters(const GgufFile& file, bool keeps_halves) {
  const std::string a = file.string("general.architecture");
  const auto u32 = [&](const char* key) { return file.u32(a + key); };
  const auto find_u32 = [&](const char* key) { return file.find_u32(a + key).value_or(0); };
  const auto find_f32 = [&](const char* key, float otherwise) {
    return static_cast<double>(file.find_f32(a + key).value_or(otherwise));
  };
  const bool is_gemma2 = a == "gemma2";
  const bool has_layer_norm = a == "gpt2" || a == "gptneox";
  reference::Hyperparameters h;
  h.architecture = a;
  h.n_ctx = u32(".context_length");
  h.n_embd = u32(".embedding_length");
  h.n_head = u32(".attention.head_count");
  h.n_ff = u32(".feed_forward_length");
  h.n_layer = u32(".block_count");
  h.eps = static_cast<double>(
      file.f32(a + (has_layer_norm ? ".attention.layer_norm_epsilon" : ".attention.layer_norm_rms_epsilon")));
  h.n_head_kv = find_u32(".attention.head_count_kv");
  h.head_size = find_u32(".attention.key_length");
  h.rotated = find_u32(".rope.dimension_count");
  h.rope_base = find_f32(".rope.freq_base", 10000);
  const std::string* const scaling = file.find_string(a + ".rope.scaling.type");
  if (scaling == nullptr || *scaling != "none") {
    h.rope_factor = find_f32(".rope.scaling.factor", file.find_f32(a + ".rope.scale_linear").value_or(1));
  }
  h.attention_scale = find_f32(".attention.scale", 0);
  h.is_parallel = file.find_boolean(a + ".use_parallel_residual").value_or(false);
  h.keeps_halves = keeps_halves;
  if (is_gemma2) {  // llama.cpp's src/models/gemma2.cpp
    h.softcap = find_f32(".attn_logit_softcapping", 50);
    h.logit_softcap = find_f32(".final_logit_softcapping", 30);
    h.window = file.find_u32(a + ".attention.sliding_window").value_or(4096);
    h.alternate_windows = true;
    h.embedding_scale = std::sqrt(static_cast<double>(h.n_embd));
    if (h.n_layer == 46) {  // the one of 27B
      h.attention_scale = 1 / std::sqrt(static_cast<double>(h.n_embd) / static_cast<double>(h.n_head));
    }
  }
  return h;
}

reference::Model reference_model(const GgufFile& file, bool keeps_halves) {
  reference::RawTensors tensors;
  for (const Tensor& tensor : file.tensors()) {
    tensors[tensor.name] = raw_tensor(tensor);
  }
  try {
    return reference::model_of(tensors, hyperparameters(file, keeps_halves));
  } catch (const std::invalid_argument& e) {
    throw InputError(fmt::format("{}: {}; run without --verify, or convert the model again", file.path(), e.what()));
  }
}

/// Tokens, of which the matrices may have more rows.
size_t vocabulary(const GgufFile& file) {
  const auto* tokens = file.find_strings("tokenizer.ggml.tokens");
  return tokens == nullptr ? std::numeric_limits<size_t>::max() : tokens->size();
}

double bound_over_largest(const reference::Model& model, bool keeps_halves) {
  const double of_floats = 8 * std::sqrt(static_cast<double>(model.n_embd)) * 0x1p-24;
  const bool rounds = model.output.rounds_activations() ||
                      std::ranges::any_of(model.blocks, [](const auto& block) { return block.rounds_activations(); });
  const double of_rounding = (rounds ? 0x1p-6 : 0) + (keeps_halves ? 0x1p-10 : 0);
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
  return {static_cast<uint32_t>(tensor.type),
          {tensor.shape().begin(), tensor.shape().end()},
          tensor.data,
          static_cast<double>(tensor.scale())};
}

Verification::Verification(const GgufFile& file, bool keeps_halves)
    : model_(reference_model(file, keeps_halves)),
      vocabulary_(assay::vocabulary(file)),
      bound_over_largest_(assay::bound_over_largest(model_, keeps_halves)) {}

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
