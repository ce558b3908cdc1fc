#include "runner/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <stdexcept>
#include <string_view>

#include "harness/runtime/error.h"
#include "harness/runtime/registry.h"
#include "harness/runtime/text.h"

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

/// The file. Linux grants more memory than there is and then ends a process that uses it, so whether its weights fit is found out
/// before anything is made of them: packed they are about as large.
const GgufFile& fits_memory(const GgufFile& file) {
  size_t weights = 0;
  for (const Tensor& tensor : file.tensors()) {
    weights += tensor.data.size();
  }
  const size_t memory = machine_memory();
  if (weights > memory) {
    throw MachineError(
        fmt::format("{}: its weights take {} MiB, this machine has {} MiB of memory; use a smaller model, or "
                    "`assay quantize`",
                    file.path(), weights >> 20, memory >> 20));
  }
  return file;
}

}  // namespace

Model::Model(const GgufFile& file, Dispatch& dispatch, unsigned threads, const ContextOptions& options)
    : file_(&fits_memory(file)),
      sizes_(ModelSizes::read(file, options)),
      pool_(threads),
      token_embd_(&file.tensor("token_embd.weight")),
      position_embd_(sizes_.block.architecture->turn == Turn::none ? &file.tensor("position_embd.weight") : nullptr),
      token_row_(token_embd_->type, token_embd_->ne[0], dispatch),
      attention_(sizes_.block, dispatch) {
  const ModelSizes& s = sizes_;
  const size_t n = s.block.n_embd;
  expect_matrix(file.path(), *token_embd_, token_embd_->ne[1], n);
  std::set<std::string_view> used = {token_embd_->name, "output.weight"};
  if (position_embd_ != nullptr) {
    expect_matrix(file.path(), *position_embd_, s.n_ctx_trained, n);
    position_row_.emplace(position_embd_->type, position_embd_->ne[0], dispatch);
    used.insert(position_embd_->name);
  } else {
    used.insert("rope_freqs.weight");
    if (file.find_tensor("rope_freqs.weight") == nullptr) {
      used.insert({"rope_factors_long.weight", "rope_factors_short.weight"});
    }
  }
  const TensorSource source = {file.path(),
                               [&](const std::string& name) -> const Tensor& {
                                 const Tensor& tensor = file.tensor(name);
                                 used.insert(tensor.name);
                                 return tensor;
                               },
                               [&](const std::string& name) {
                                 const Tensor* const tensor = file.find_tensor(name);
                                 if (tensor != nullptr) {
                                   used.insert(tensor->name);
                                 }
                                 return tensor;
                               },
                               [&](std::span<const std::byte> bytes) { file.release(bytes); }};
  output_norm_ = Norm(source, "output_norm", n, s.block, dispatch);
  if (s.local.window != 0) {
    attention_in_window_.emplace(s.local, dispatch);
  }
  for (size_t i = 0; i < s.n_layer; ++i) {
    const BlockSizes& sizes = s.block_of(i);
    Attention& attention = sizes.window != 0 ? *attention_in_window_ : attention_;
    blocks_.push_back(std::make_unique<Block>(source, fmt::format("blk.{}.", i), sizes, attention, work_, dispatch));
  }
  // Many models tie the output matrix to the embedding; a file may still hold its own.
  const Tensor* output =
      s.block.architecture->may_tie_output ? file.find_tensor("output.weight") : &file.tensor("output.weight");
  output = output != nullptr ? output : token_embd_;
  output_rows_ = output->ne[1];
  output_ = std::make_unique<Linear>(file.path(), *output, nullptr, output_rows_, n, dispatch);
  for (const Tensor& tensor : file.tensors()) {
    if (!used.contains(tensor.name)) {
      throw InputError(
          fmt::format("{}: tensor {} belongs to no {} of {} blocks: without it the answers would be "
                      "wrong; give another model",
                      file.path(), quote(tensor.name), s.block.architecture->name, s.n_layer));
    }
  }
  size_t weight_bytes = output_->packed_bytes();
  size_t cache_bytes = 0;
  for (const auto& block : blocks_) {
    weight_bytes += block->weight_bytes();
    cache_bytes += block->cache_bytes();
  }
  weights_ = std::make_unique<Arena>(weight_bytes, Arena::Pages::huge, "the weights");
  cache_ = std::make_unique<Arena>(cache_bytes, Arena::Pages::usual, "the keys and values of the context");
  for (auto& block : blocks_) {
    block->load(source, *weights_, *cache_, pool_);
  }
  output_->pack(*weights_, pool_, source.release);
  if (position_embd_ != nullptr) {
    add_ = dispatch.get<add_f32_fn>("add_f32", {n});
  }
  if (s.embedding_scale != 1) {
    scale_ = dispatch.get<scale_f32_fn>("scale_f32", {n});
  }
  if (s.logit_softcap != 0) {
    softcap_ = dispatch.get<softcap_f32_fn>("softcap_f32", {output_rows_});
  }
  position_.resize(n);
}

void Model::embed(float* x, int32_t token, size_t position) {
  if (token < 0 || static_cast<size_t>(token) >= sizes_.n_vocab) {
    throw InputError(
        fmt::format("{}: the tokenizer gives token {}, but the model's vocabulary has {}: the file is inconsistent",
                    file_->path(), token, sizes_.n_vocab));
  }
  const size_t n = sizes_.block.n_embd;
  token_row_(x, *token_embd_, static_cast<size_t>(token));
  if (sizes_.embedding_scale != 1) {
    scale_(x, x, sizes_.embedding_scale, n);
  }
  if (position_embd_ != nullptr) {
    (*position_row_)(position_.data(), *position_embd_, position);
    add_(x, x, position_.data(), n);
  }
}

std::span<const float> Model::eval(std::span<const int32_t> tokens) {
  std::span<const float> last;
  eval(tokens, std::max<size_t>(tokens.size(), 1) - 1, [&](size_t, std::span<const float> logits) { last = logits; });
  return last;
}

void Model::eval(std::span<const int32_t> tokens, size_t first,
                 const std::function<void(size_t place, std::span<const float> logits)>& each) {
  if (tokens.empty() || tokens.size() > sizes_.n_ctx - past_) {
    throw InputError(fmt::format("{} tokens after {} do not fit the context of {}: shorten the prompt or -n{}",
                                 tokens.size(), past_, sizes_.n_ctx,
                                 sizes_.n_ctx < sizes_.n_ctx_trained ? ", or take a larger one with -c" : ""));
  }
  const size_t n = sizes_.block.n_embd;
  for (size_t begin = 0; begin < tokens.size();) {
    const size_t batch = batch_of(tokens.size() - begin, kBatch);
    x_.resize(batch * n);
    for (size_t t = 0; t < batch; ++t) {
      embed(x_.data() + t * n, tokens[begin + t], past_ + t);
    }
    for (auto& block : blocks_) {
      block->forward(x_.data(), batch, past_, pool_);
    }
    past_ += batch;
    // Shapes of the output are as few as those of the layers.
    for (size_t t = first > begin ? first - begin : 0; t < batch;) {
      const size_t count = batch_of(batch - t, kBatch);
      output(x_.data() + t * n, count);
      for (size_t i = 0; i < count; ++i) {
        each(begin + t + i, std::span<const float>(logits_).subspan(i * output_rows_, sizes_.n_vocab));
      }
      t += count;
    }
    begin += batch;
  }
}

void Model::rewind(size_t tokens) {
  if (tokens > past_) {
    throw std::logic_error("a model cannot go back to what it has not read");
  }
  past_ = tokens;  // what the cache has behind them is overwritten before it is read
}

void Model::output(const float* x, size_t tokens) {
  const size_t n = sizes_.block.n_embd;
  normed_.resize(tokens * n);
  logits_.resize(tokens * output_rows_);
  for (size_t t = 0; t < tokens; ++t) {
    output_norm_(normed_.data() + t * n, x + t * n);
  }
  output_->run(logits_.data(), output_rows_, normed_.data(), tokens, pool_);
  for (size_t t = 0; t < tokens && sizes_.logit_softcap != 0; ++t) {
    float* row = logits_.data() + t * output_rows_;
    softcap_(row, row, sizes_.logit_softcap, output_rows_);
  }
}

}  // namespace assay
