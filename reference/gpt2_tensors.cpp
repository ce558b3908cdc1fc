// From the tensors of a model file to what transformer.cpp computes with.
#include <stdexcept>

#include "reference/formats.h"
#include "reference/transformer.h"

namespace reference {
namespace {

[[noreturn]] void refuse(const std::string& name, const std::string& what) {
  throw std::invalid_argument("the reference cannot take tensor " + name + ": " + what);
}

std::string text(const std::vector<uint64_t>& ne) {
  std::string all;
  for (const uint64_t n : ne) {
    all += (all.empty() ? "" : ", ") + std::to_string(n);
  }
  return "[" + all + "]";
}

const RawTensor& find(const RawTensors& tensors, const std::string& name) {
  const auto found = tensors.find(name);
  if (found == tensors.end()) {
    refuse(name, "it is missing");
  }
  return found->second;
}

const Format& format_of(const std::string& name, const RawTensor& tensor) {
  const Format* format = find_format(tensor.type);
  if (format == nullptr) {
    refuse(name, "its type " + std::to_string(tensor.type) + " has no decoder in reference/formats/");
  }
  return *format;
}

/// The weights of a tensor that must have the shape `ne`.
std::vector<double> weights(const RawTensors& tensors, const std::string& name, const std::vector<uint64_t>& ne) {
  const RawTensor& tensor = find(tensors, name);
  const Format& format = format_of(name, tensor);
  if (tensor.ne != ne) {
    refuse(name, "its shape is " + text(tensor.ne) + ", not " + text(ne));
  }
  uint64_t elements = 1;
  for (const uint64_t n : ne) {
    elements *= n;
  }
  const uint64_t blocks = elements / format.elements;
  if (ne[0] % format.elements != 0 || tensor.bytes.size() != blocks * format.bytes) {
    refuse(name, std::to_string(tensor.bytes.size()) + " bytes are not " + text(ne) + " weights of " + format.name);
  }
  return decode(format, reinterpret_cast<const uint8_t*>(tensor.bytes.data()), blocks);
}

LayerNorm layer_norm(const RawTensors& tensors, const std::string& name, const Gpt2Hyperparameters& sizes) {
  return {weights(tensors, name + ".weight", {sizes.n_embd}), weights(tensors, name + ".bias", {sizes.n_embd}),
          sizes.eps};
}

Linear matrix(const RawTensors& tensors, const std::string& name, size_t rows, size_t cols) {
  Linear linear;
  linear.rows = rows;
  linear.cols = cols;
  linear.w = weights(tensors, name, {cols, rows});
  linear.activations = format_of(name, find(tensors, name)).activations;
  return linear;
}

Linear matrix_with_bias(const RawTensors& tensors, const std::string& name, size_t rows, size_t cols) {
  Linear linear = matrix(tensors, name + ".weight", rows, cols);
  linear.b = weights(tensors, name + ".bias", {rows});
  return linear;
}

}  // namespace

Gpt2Block gpt2_block(const RawTensors& tensors, const std::string& prefix, const Gpt2Hyperparameters& sizes) {
  const size_t n = sizes.n_embd;
  Gpt2Block block;
  block.n_embd = n;
  block.n_head = sizes.n_head;
  block.ln1 = layer_norm(tensors, prefix + "attn_norm", sizes);
  block.qkv = matrix_with_bias(tensors, prefix + "attn_qkv", 3 * n, n);
  block.proj = matrix_with_bias(tensors, prefix + "attn_output", n, n);
  block.ln2 = layer_norm(tensors, prefix + "ffn_norm", sizes);
  block.up = matrix_with_bias(tensors, prefix + "ffn_up", sizes.n_ff, n);
  block.down = matrix_with_bias(tensors, prefix + "ffn_down", n, sizes.n_ff);
  return block;
}

Gpt2 gpt2(const RawTensors& tensors, const Gpt2Hyperparameters& sizes) {
  const RawTensor& embedding = find(tensors, "token_embd.weight");
  if (embedding.ne.size() != 2) {
    refuse("token_embd.weight", "its shape is " + text(embedding.ne) + ", not that of a matrix");
  }
  Gpt2 model;
  model.n_vocab = embedding.ne[1];
  model.n_ctx = sizes.n_ctx;
  model.n_embd = sizes.n_embd;
  model.token_embd = weights(tensors, "token_embd.weight", {sizes.n_embd, model.n_vocab});
  model.position_embd = weights(tensors, "position_embd.weight", {sizes.n_embd, sizes.n_ctx});
  for (size_t i = 0; i < sizes.n_layer; ++i) {
    model.blocks.push_back(gpt2_block(tensors, "blk." + std::to_string(i) + ".", sizes));
  }
  model.output_norm = layer_norm(tensors, "output_norm", sizes);
  // GPT-2 multiplies with its embedding again at the end (openai/gpt-2, src/model.py: matmul(h_flat, wte)); a file may
  // hold another matrix for it.
  const std::string output = tensors.contains("output.weight") ? "output.weight" : "token_embd.weight";
  model.output = matrix(tensors, output, model.n_vocab, sizes.n_embd);
  return model;
}

}  // namespace reference
