#include "runner/gpt2.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstring>

#include "harness/runtime/error.h"
#include "harness/runtime/registry.h"

namespace assay {
namespace {

// Prefill runs in chunks of a power of two tokens, so that few shapes are generated for.
size_t batch_of(size_t left, size_t largest) {
  size_t batch = largest;
  while (batch > left) {
    batch /= 2;
  }
  return batch;
}

/// All weights become floats or a packing of at least their size. Linux grants more memory than there is and then ends a
/// process that uses it, so this is found out before.
void check_memory(const GgufFile& file) {
  double bytes = 0;
  for (const Tensor& t : file.tensors()) {
    bytes += t.type == TensorType::q1_0 ? static_cast<double>(t.data.size())
                                        : static_cast<double>(t.n_elements) * sizeof(float);
  }
  const double memory = static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  if (bytes > memory) {
    throw MachineError(
        fmt::format("{}: its weights take {:.1f} GiB, this machine has {:.1f} GiB of memory; use a smaller model, or "
                    "`assay quantize`",
                    file.path(), bytes / (1 << 30), memory / (1 << 30)));
  }
}

}  // namespace

Gpt2Sizes Gpt2Sizes::read(const GgufFile& file) {
  if (const std::string& architecture = file.string("general.architecture"); architecture != "gpt2") {
    throw InputError(
        fmt::format("{}: general.architecture is {}; the runner runs gpt2", file.path(), quote(architecture)));
  }
  constexpr uint32_t kLargest = 1u << 20;
  const auto size = [&](const char* key) -> size_t {
    const uint32_t value = file.u32(key);
    if (value == 0 || value > kLargest) {
      throw InputError(
          fmt::format("{}: {} is {}; expected 1 to {}: convert the model again", file.path(), key, value, kLargest));
    }
    return value;
  };
  Gpt2Sizes s{};
  s.n_ctx = size("gpt2.context_length");
  s.n_embd = size("gpt2.embedding_length");
  s.n_head = size("gpt2.attention.head_count");
  s.n_ff = size("gpt2.feed_forward_length");
  s.n_layer = size("gpt2.block_count");
  s.eps = file.f32("gpt2.attention.layer_norm_epsilon");
  const Tensor& embedding = file.tensor("token_embd.weight");
  s.n_vocab = embedding.ne[1];
  if (s.n_embd % s.n_head != 0) {
    throw InputError(fmt::format("{}: gpt2.embedding_length {} is not a multiple of gpt2.attention.head_count {}",
                                 file.path(), s.n_embd, s.n_head));
  }
  if (!std::isfinite(s.eps) || s.eps <= 0) {
    throw InputError(
        fmt::format("{}: gpt2.attention.layer_norm_epsilon is {}; it must be finite and over 0", file.path(), s.eps));
  }
  return s;
}

Gpt2Layer::Gpt2Layer(const TensorSource& source, const std::string& prefix, const Gpt2Sizes& s, Dispatch& dispatch)
    : sizes_(s),
      ln1_{tensor_vector(source.name, source.tensor(prefix + "attn_norm.weight"), s.n_embd),
           tensor_vector(source.name, source.tensor(prefix + "attn_norm.bias"), s.n_embd)},
      ln2_{tensor_vector(source.name, source.tensor(prefix + "ffn_norm.weight"), s.n_embd),
           tensor_vector(source.name, source.tensor(prefix + "ffn_norm.bias"), s.n_embd)},
      qkv_(source.name, source.tensor(prefix + "attn_qkv.weight"), &source.tensor(prefix + "attn_qkv.bias"),
           3 * s.n_embd, s.n_embd, dispatch),
      proj_(source.name, source.tensor(prefix + "attn_output.weight"), &source.tensor(prefix + "attn_output.bias"),
            s.n_embd, s.n_embd, dispatch),
      up_(source.name, source.tensor(prefix + "ffn_up.weight"), &source.tensor(prefix + "ffn_up.bias"), s.n_ff,
          s.n_embd, dispatch),
      down_(source.name, source.tensor(prefix + "ffn_down.weight"), &source.tensor(prefix + "ffn_down.bias"), s.n_embd,
            s.n_ff, dispatch),
      norm_(dispatch.get<layer_norm_f32_fn>("layer_norm_f32", {s.n_embd})),
      add_(dispatch.get<add_f32_fn>("add_f32", {s.n_embd})),
      gelu_(dispatch.get<gelu_f32_fn>("gelu_f32", {s.n_ff})),
      dispatch_(&dispatch) {}

void Gpt2Layer::attend(const float* qkv, float* out, size_t tokens, size_t past, ThreadPool& pool) {
  const size_t n = sizes_.n_embd;
  const size_t d = sizes_.head_size();
  const size_t scratch_bytes = find_kernel("attention_f32").scratch_bytes({tokens, past, d});
  scratch_.resize(pool.size());
  for (auto& s : scratch_) {
    s.resize(scratch_bytes / sizeof(float));
  }
  const auto attention = dispatch_->get<attention_f32_fn>("attention_f32", {tokens, past, d});
  pool.run(sizes_.n_head, [&](size_t head, unsigned thread) {
    const attention_f32_args args = {out + head * d,
                                     qkv + head * d,
                                     keys_.data() + head * d,
                                     values_.data() + head * d,
                                     scratch_[thread].data(),
                                     n,
                                     3 * n,
                                     n,
                                     n,
                                     tokens,
                                     past,
                                     d,
                                     1.0f / std::sqrt(static_cast<float>(d))};
    attention(&args);
  });
}

void Gpt2Layer::forward(float* x, size_t tokens, size_t past, ThreadPool& pool) {
  const size_t n = sizes_.n_embd;
  keys_.resize((past + tokens) * n);
  values_.resize((past + tokens) * n);
  normed_.resize(tokens * n);
  wide_.resize(tokens * std::max(3 * n, sizes_.n_ff));
  heads_.resize(tokens * n);
  delta_.resize(tokens * n);
  const auto normalise = [&](const Norm& ln) {
    for (size_t t = 0; t < tokens; ++t) {
      norm_(normed_.data() + t * n, x + t * n, ln.w.data(), ln.b.data(), sizes_.eps, n);
    }
  };
  const auto add_delta = [&] {
    for (size_t t = 0; t < tokens; ++t) {
      add_(x + t * n, x + t * n, delta_.data() + t * n, n);
    }
  };
  normalise(ln1_);
  qkv_.run(wide_.data(), 3 * n, normed_.data(), tokens, pool);
  for (size_t t = 0; t < tokens; ++t) {
    std::memcpy(keys_.data() + (past + t) * n, wide_.data() + t * 3 * n + n, n * sizeof(float));
    std::memcpy(values_.data() + (past + t) * n, wide_.data() + t * 3 * n + 2 * n, n * sizeof(float));
  }
  attend(wide_.data(), heads_.data(), tokens, past, pool);
  proj_.run(delta_.data(), n, heads_.data(), tokens, pool);
  add_delta();
  normalise(ln2_);
  up_.run(wide_.data(), sizes_.n_ff, normed_.data(), tokens, pool);
  for (size_t t = 0; t < tokens; ++t) {
    gelu_(wide_.data() + t * sizes_.n_ff, wide_.data() + t * sizes_.n_ff, sizes_.n_ff);
  }
  down_.run(delta_.data(), n, wide_.data(), tokens, pool);
  add_delta();
}

Gpt2::Gpt2(const GgufFile& file, Dispatch& dispatch, unsigned threads)
    : file_(&file), sizes_(Gpt2Sizes::read(file)), pool_(threads) {
  const Gpt2Sizes& s = sizes_;
  check_memory(file);
  const auto matrix = [&](const char* name, size_t rows) {
    const Tensor& t = file.tensor(name);
    if (t.ne[0] != s.n_embd || t.ne[1] != rows || t.n_elements != rows * s.n_embd) {
      throw InputError(fmt::format(
          "{}: tensor {} does not have the shape [{}, {}] that the metadata asks for; convert the model again",
          file.path(), name, s.n_embd, rows));
    }
    return tensor_floats(file.path(), t);
  };
  token_embd_ = matrix("token_embd.weight", s.n_vocab);
  position_embd_ = matrix("position_embd.weight", s.n_ctx);
  norm_w_ = tensor_vector(file.path(), file.tensor("output_norm.weight"), s.n_embd);
  norm_b_ = tensor_vector(file.path(), file.tensor("output_norm.bias"), s.n_embd);
  const TensorSource source = {file.path(),
                               [&](const std::string& name) -> const Tensor& { return file.tensor(name); }};
  for (size_t i = 0; i < s.n_layer; ++i) {
    layers_.push_back(std::make_unique<Gpt2Layer>(source, fmt::format("blk.{}.", i), s, dispatch));
  }
  // GPT-2 ties the output matrix to the embedding; a file may still hold its own.
  const Tensor* output = file.find_tensor("output.weight");
  output_ = std::make_unique<Linear>(file.path(), output != nullptr ? *output : file.tensor("token_embd.weight"),
                                     nullptr, s.n_vocab, s.n_embd, dispatch);
  norm_ = dispatch.get<layer_norm_f32_fn>("layer_norm_f32", {s.n_embd});
  add_ = dispatch.get<add_f32_fn>("add_f32", {s.n_embd});
  normed_.resize(s.n_embd);
  logits_.resize(s.n_vocab);
}

std::span<const float> Gpt2::eval(std::span<const int32_t> tokens) {
  if (tokens.empty() || tokens.size() > sizes_.n_ctx - past_) {
    throw InputError(fmt::format("{} tokens after {} do not fit the model's context of {}: shorten the prompt or -n",
                                 tokens.size(), past_, sizes_.n_ctx));
  }
  const size_t n = sizes_.n_embd;
  for (size_t begin = 0; begin < tokens.size();) {
    const size_t batch = batch_of(tokens.size() - begin, kBatch);
    x_.resize(batch * n);
    for (size_t t = 0; t < batch; ++t) {
      const int32_t token = tokens[begin + t];
      if (token < 0 || static_cast<size_t>(token) >= sizes_.n_vocab) {
        throw InputError(
            fmt::format("{}: the tokenizer gives token {}, but the model's vocabulary has {}: the file is inconsistent",
                        file_->path(), token, sizes_.n_vocab));
      }
      add_(x_.data() + t * n, token_embd_.data() + static_cast<size_t>(token) * n,
           position_embd_.data() + (past_ + t) * n, n);
    }
    for (auto& layer : layers_) {
      layer->forward(x_.data(), batch, past_, pool_);
    }
    begin += batch;
    past_ += batch;
    if (begin == tokens.size()) {
      norm_(normed_.data(), x_.data() + (batch - 1) * n, norm_w_.data(), norm_b_.data(), sizes_.eps, n);
    }
  }
  output_->run(logits_.data(), sizes_.n_vocab, normed_.data(), 1, pool_);
  return logits_;
}

}  // namespace assay
