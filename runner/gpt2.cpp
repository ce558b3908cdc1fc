#include "runner/gpt2.h"

#include <fmt/format.h>
#include <unistd.h>

#include <set>
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
  const size_t memory = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
  if (weights > memory) {
    throw MachineError(
        fmt::format("{}: its weights take {} MiB, this machine has {} MiB of memory; use a smaller model, or "
                    "`assay quantize`",
                    file.path(), weights >> 20, memory >> 20));
  }
  return file;
}

}  // namespace

Gpt2::Gpt2(const GgufFile& file, Dispatch& dispatch, unsigned threads)
    : file_(&fits_memory(file)),
      sizes_(Gpt2Sizes::read(file)),
      pool_(threads),
      token_embd_(&file.tensor("token_embd.weight")),
      position_embd_(&file.tensor("position_embd.weight")),
      token_row_(token_embd_->type, token_embd_->ne[0], dispatch),
      position_row_(position_embd_->type, position_embd_->ne[0], dispatch),
      attention_(sizes_.block(), dispatch) {
  const Gpt2Sizes& s = sizes_;
  expect_matrix(file.path(), *token_embd_, token_embd_->ne[1], s.n_embd);
  expect_matrix(file.path(), *position_embd_, s.n_ctx, s.n_embd);
  std::set<std::string_view> used = {token_embd_->name, position_embd_->name, "output.weight"};
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
  output_norm_ = Norm(source, "output_norm", s.n_embd, s.block(), dispatch);
  for (size_t i = 0; i < s.n_layer; ++i) {
    blocks_.push_back(std::make_unique<Block>(source, fmt::format("blk.{}.", i), s.block(), attention_, dispatch));
  }
  // GPT-2 ties the output matrix to the embedding; a file may still hold its own.
  const Tensor* output = file.find_tensor("output.weight");
  output = output != nullptr ? output : token_embd_;
  output_rows_ = output->ne[1];
  output_ = std::make_unique<Linear>(file.path(), *output, nullptr, output_rows_, s.n_embd, dispatch);
  for (const Tensor& tensor : file.tensors()) {
    if (!used.contains(tensor.name)) {
      throw InputError(
          fmt::format("{}: tensor {} belongs to no GPT-2 of {} blocks: without it the answers would be "
                      "wrong; give another model",
                      file.path(), quote(tensor.name), s.n_layer));
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
  add_ = dispatch.get<add_f32_fn>("add_f32", {s.n_embd});
  position_.resize(s.n_embd);
  normed_.resize(s.n_embd);
  logits_.resize(output_rows_);
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
      float* const x = x_.data() + t * n;
      token_row_(x, *token_embd_, static_cast<size_t>(token));
      position_row_(position_.data(), *position_embd_, past_ + t);
      add_(x, x, position_.data(), n);
    }
    for (auto& block : blocks_) {
      block->forward(x_.data(), batch, past_, pool_);
    }
    begin += batch;
    past_ += batch;
    if (begin == tokens.size()) {
      output_norm_(normed_.data(), x_.data() + (batch - 1) * n);
    }
  }
  output_->run(logits_.data(), output_rows_, normed_.data(), 1, pool_);
  return std::span<const float>(logits_).first(sizes_.n_vocab);
}

}  // namespace assay
