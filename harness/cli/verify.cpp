#include "harness/cli/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "harness/runtime/error.h"

namespace assay {
namespace {

/// The numbers of an architecture's keys. Read here and not taken from the runner, so that a key that it mistakes for another is found, too.
class Numbers {
 public:
  explicit Numbers(const GgufFile& file) : file_(&file), prefix_(file.string("general.architecture") + ".") {}

  size_t whole(const char* key) const { return file_->u32(prefix_ + key); }
  size_t whole(const char* key, size_t otherwise) const {
    const auto found = file_->find_u32(prefix_ + key);
    return found ? *found : otherwise;
  }
  double number(const char* key) const { return static_cast<double>(file_->f32(prefix_ + key)); }
  double number(const char* key, double otherwise) const {
    const auto found = file_->find_f32(prefix_ + key);
    return found ? static_cast<double>(*found) : otherwise;
  }
  bool is_true(const char* key) const { return file_->find_boolean(prefix_ + key).value_or(false); }
  std::string text(const char* key) const {
    const std::string* const found = file_->find_string(prefix_ + key);
    return found != nullptr ? *found : "";
  }

 private:
  const GgufFile* file_;
  std::string prefix_;
};

/// llama.cpp's src/llama-model.cpp and src/llama-context.cpp, but that yarn_attn_factor is Hugging Face's attention_factor.
reference::Rope rope(const Numbers& keys, size_t n_ctx) {
  reference::Rope r;
  const std::string scaling = keys.text("rope.scaling.type");
  r.base = keys.number("rope.freq_base", 10000);
  r.first_context = keys.whole("rope.scaling.original_context_length", keys.whole("context_length"));
  r.is_long = n_ctx > r.first_context;
  r.magnitude = keys.number("rope.scaling.attn_factor", 1);
  if (scaling != "none") {
    const double factor = keys.number("rope.scaling.factor", keys.number("rope.scale_linear", 1));
    r.factor = factor != 0 ? factor : 1;
  }
  if (scaling == "yarn") {
    r.yarn = keys.number("rope.scaling.yarn_ext_factor", 1);
    r.often = keys.number("rope.scaling.yarn_beta_fast", 32);
    r.seldom = keys.number("rope.scaling.yarn_beta_slow", 1);
    const double log = 0.1 * std::log(std::max(1.0, r.factor));
    const double sharpened = (1 + log) / (1 + log * keys.number("rope.scaling.yarn_log_multiplier", 0));
    r.magnitude *= keys.number("rope.scaling.yarn_attn_factor", r.yarn != 0 ? sharpened : 1);
  }
  return r;
}

/// llama.cpp's src/models/gemma2.cpp and gemma3.cpp.
void add_gemma(const Numbers& keys, bool is_third, reference::Hyperparameters& h) {
  h.softcap = keys.number("attn_logit_softcapping", is_third ? 0 : 50);
  h.logit_softcap = keys.number("final_logit_softcapping", is_third ? 0 : 30);
  h.window = keys.whole("attention.sliding_window", is_third ? 0 : 4096);
  h.full_every = keys.whole("attention.sliding_window_pattern", is_third ? 6 : 2);
  h.embedding_scale = std::sqrt(static_cast<double>(h.n_embd));
  if (h.n_layer == (is_third ? 62 : 46)) {  // the one of 27B
    h.attention_scale = 1 / std::sqrt(static_cast<double>(h.n_embd) / static_cast<double>(h.n_head));
  }
  h.has_window_rope = true;
  if (is_third) {
    h.window_rope.magnitude = keys.number("rope.scaling.attn_factor", 1);
    h.window_rope.takes_factors = false;
  } else {
    h.window_rope = h.rope;
  }
  h.window_rope.base = keys.number("rope.freq_base_swa", h.window_rope.base);
}

reference::Hyperparameters hyperparameters(const GgufFile& file, bool keeps_halves, size_t n_ctx, bool gelu_by_tanh) {
  const std::string a = file.string("general.architecture");
  const Numbers keys(file);
  const bool has_layer_norm = a == "gpt2" || a == "gptneox";
  reference::Hyperparameters h;
  h.architecture = a;
  h.n_ctx = keys.whole("context_length");
  h.n_embd = keys.whole("embedding_length");
  h.n_head = keys.whole("attention.head_count");
  h.n_ff = keys.whole("feed_forward_length");
  h.n_layer = keys.whole("block_count");
  h.eps = keys.number(has_layer_norm ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon");
  h.n_head_kv = keys.whole("attention.head_count_kv", 0);
  h.head_size = keys.whole("attention.key_length", 0);
  h.rotated = keys.whole("rope.dimension_count", 0);
  h.rope = rope(keys, n_ctx != 0 ? n_ctx : h.n_ctx);
  h.attention_scale = keys.number("attention.scale", 0);
  h.is_parallel = keys.is_true("use_parallel_residual");
  h.keeps_halves = keeps_halves;
  h.gelu_by_tanh = gelu_by_tanh;
  if (a == "gemma2" || a == "gemma3") {
    add_gemma(keys, a == "gemma3", h);
  } else if (a == "phi3") {
    h.window = keys.whole("attention.sliding_window", 0);
  }
  return h;
}

reference::Model reference_model(const GgufFile& file, bool keeps_halves, size_t n_ctx, bool gelu_by_tanh) {
  reference::RawTensors tensors;
  for (const Tensor& tensor : file.tensors()) {
    tensors[tensor.name] = raw_tensor(tensor);
  }
  try {
    return reference::model_of(tensors, hyperparameters(file, keeps_halves, n_ctx, gelu_by_tanh));
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

Verification::Verification(const GgufFile& file, bool keeps_halves, size_t n_ctx, bool gelu_by_tanh)
    : model_(reference_model(file, keeps_halves, n_ctx, gelu_by_tanh)),
      vocabulary_(assay::vocabulary(file)),
      bound_over_largest_(assay::bound_over_largest(model_, keeps_halves)) {}

void Verification::compare(std::span<const int32_t> tokens, std::span<const float> logits) {
  std::vector<double>& want = wanted_;
  want = reference::forward(model_, {tokens.begin(), tokens.end()}, past_, caches_);
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
