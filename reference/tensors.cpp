// From the tensors of a model file to what transformer.cpp computes with.
#include <algorithm>
#include <cmath>
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
  std::vector<double> all = decode(format, reinterpret_cast<const uint8_t*>(tensor.bytes.data()), blocks);
  for (double& weight : all) {
    weight *= tensor.scale;
  }
  return all;
}

/// What a block has of each architecture: llama.cpp's src/llama-arch.cpp and the builders of its graphs, as files of its converter go into
/// them. Gemma's norms are files of w + 1 already.
struct Kind {
  bool root_mean_square, fused_qkv;
  Pairs pairs;
  Activation activation;
  bool gated = false, head_norms = false, sub_norms = false, post_norms = false;
  bool gate_in_up = false;  // the first half of its rows
};
Kind kind_of(const std::string& architecture) {
  static const std::map<std::string, Kind> kinds = {
      {"gpt2", {false, true, Pairs::none, Activation::gelu_tanh}},
      {"gptneox", {false, true, Pairs::halves, Activation::gelu_erf}},
      {"llama", {true, false, Pairs::neighbours, Activation::silu_gated, true}},
      {"qwen2", {true, false, Pairs::halves, Activation::silu_gated, true}},
      {"qwen3", {true, false, Pairs::halves, Activation::silu_gated, true, true}},
      {"bitnet", {true, false, Pairs::halves, Activation::silu_gated, true, false, true}},
      {"bitnet-b1.58", {true, false, Pairs::halves, Activation::relu2_gated, true, false, true}},
      {"gemma2", {true, false, Pairs::halves, Activation::gelu_tanh_gated, true, false, false, true}},
      {"gemma3", {true, false, Pairs::halves, Activation::gelu_tanh_gated, true, true, false, true}},
      {"phi3", {true, true, Pairs::halves, Activation::silu_gated, true, false, false, false, true}},
  };
  const auto found = kinds.find(architecture);
  if (found == kinds.end()) {
    throw std::invalid_argument("the reference knows no architecture '" + architecture + "'");
  }
  return found->second;
}

Norm norm(const RawTensors& tensors, const std::string& name, size_t n, const Kind& kind, double eps) {
  Norm norm{weights(tensors, name + ".weight", {n}), {}, eps, kind.root_mean_square};
  if (!kind.root_mean_square) {
    norm.b = weights(tensors, name + ".bias", {n});
  }
  return norm;
}

/// With its bias and its scale, where the file has them.
Linear matrix(const RawTensors& tensors, const std::string& name, size_t rows, size_t cols, bool needs_bias = false) {
  Linear linear;
  linear.rows = rows;
  linear.cols = cols;
  linear.w = weights(tensors, name + ".weight", {cols, rows});
  linear.activations = format_of(name, find(tensors, name + ".weight")).activations;
  if (needs_bias || tensors.contains(name + ".bias")) {
    linear.b = weights(tensors, name + ".bias", {rows});
  }
  if (tensors.contains(name + ".scale")) {
    const double scale = weights(tensors, name + ".scale", {1})[0];
    for (double& w : linear.w) {
      w *= scale;
    }
  }
  return linear;
}

/// Rows of a matrix.
Linear part_of(const Linear& whole, size_t begin, size_t rows) {
  const auto cut = [&](const std::vector<double>& from, size_t width) {
    const auto first = from.begin() + static_cast<std::ptrdiff_t>(begin * width);
    return std::vector<double>(first, first + static_cast<std::ptrdiff_t>(rows * width));
  };
  Linear part{rows, whole.cols, cut(whole.w, whole.cols), {}, whole.activations};
  if (!whole.b.empty()) {
    part.b = cut(whole.b, 1);
  }
  return part;
}

/// What YaRN leaves of the frequency of pair i of n, 1 being all: with the bounds in whole pairs, as llama.cpp's ggml_rope_yarn_corr_dims
/// has them.
double stretch(const Rope& rope, double i, double n) {
  // base^(-i / n) first_context = 2 pi turns
  const auto pair_of = [&](double turns) {
    return n * std::log(static_cast<double>(rope.first_context) / (2 * M_PI * turns)) / std::log(rope.base);
  };
  const double first = std::max(std::floor(pair_of(rope.often)), 0.0);
  const double last = std::min(std::ceil(pair_of(rope.seldom)), 2 * n - 1);
  const double divided = std::clamp((i - first) / std::max(last - first, 0.001), 0.0, 1.0);
  const double whole = (1 - divided) * rope.yarn;
  return (1 - whole) / rope.factor + whole;
}

/// Of each pair: radians for a position.
std::vector<double> frequencies_of(const RawTensors& tensors, const Rope& rope, size_t rotated) {
  std::vector<double> factors(rotated / 2, 1);
  const char* const of_long = "rope_factors_long.weight";
  const char* const of_short = "rope_factors_short.weight";
  if (rope.takes_factors && tensors.contains("rope_freqs.weight")) {
    factors = weights(tensors, "rope_freqs.weight", {rotated / 2});
  } else if (rope.takes_factors && (tensors.contains(of_long) || tensors.contains(of_short))) {
    factors = weights(tensors, rope.is_long ? of_long : of_short, {rotated / 2});
  }
  std::vector<double> all;
  const auto pairs = static_cast<double>(rotated / 2);
  for (const double factor : factors) {
    const auto i = static_cast<double>(all.size());
    const double left = rope.yarn == 0 ? 1 / rope.factor : stretch(rope, i, pairs);
    all.push_back(std::pow(rope.base, -i / pairs) / factor * left);
  }
  return all;
}

}  // namespace

Block block_of(const RawTensors& tensors, const std::string& prefix, const Hyperparameters& sizes) {
  const Kind kind = kind_of(sizes.architecture);
  const size_t n = sizes.n_embd;
  const auto norm_of = [&](const char* name, size_t width) {
    return norm(tensors, prefix + name, width, kind, sizes.eps);
  };
  const auto matrix_of = [&](const char* name, size_t rows, size_t cols) {
    return matrix(tensors, prefix + name, rows, cols, !kind.root_mean_square);
  };
  Block block;
  block.n_embd = n;
  block.n_head = sizes.n_head;
  block.n_head_kv = sizes.n_head_kv != 0 ? sizes.n_head_kv : sizes.n_head;
  block.head_size = sizes.head_size != 0 ? sizes.head_size : n / sizes.n_head;
  const size_t d = block.head_size;
  const size_t wide = block.n_head * d;
  const size_t kept = block.n_head_kv * d;
  block.attn_norm = norm_of("attn_norm", n);
  if (kind.fused_qkv) {
    const Linear qkv = matrix_of("attn_qkv", wide + 2 * kept, n);
    block.q = part_of(qkv, 0, wide);
    block.k = part_of(qkv, wide, kept);
    block.v = part_of(qkv, wide + kept, kept);
  } else {
    block.q = matrix_of("attn_q", wide, n);
    block.k = matrix_of("attn_k", kept, n);
    block.v = matrix_of("attn_v", kept, n);
  }
  block.proj = matrix_of("attn_output", n, wide);
  block.ffn_norm = norm_of("ffn_norm", n);
  if (kind.gate_in_up) {
    const Linear both = matrix_of("ffn_up", 2 * sizes.n_ff, n);
    block.gate = part_of(both, 0, sizes.n_ff);
    block.up = part_of(both, sizes.n_ff, sizes.n_ff);
  } else {
    block.up = matrix_of("ffn_up", sizes.n_ff, n);
  }
  if (kind.gated && !kind.gate_in_up) {
    block.gate = matrix_of("ffn_gate", sizes.n_ff, n);
  }
  block.down = matrix_of("ffn_down", n, sizes.n_ff);
  if (kind.head_norms) {
    block.q_norm = norm_of("attn_q_norm", d);
    block.k_norm = norm_of("attn_k_norm", d);
  }
  if (kind.sub_norms) {
    block.attn_sub_norm = norm_of("attn_sub_norm", wide);
    block.ffn_sub_norm = norm_of("ffn_sub_norm", sizes.n_ff);
  }
  if (kind.post_norms) {
    block.post_attn_norm = norm_of("post_attention_norm", n);
    block.post_ffn_norm = norm_of("post_ffw_norm", n);
  }
  block.pairs = kind.pairs;
  if (kind.pairs != Pairs::none) {
    const Rope& rope = sizes.window != 0 && sizes.has_window_rope ? sizes.window_rope : sizes.rope;
    block.frequencies = frequencies_of(tensors, rope, sizes.rotated != 0 ? sizes.rotated : d);
    block.magnitude = rope.magnitude;
  }
  block.attention_scale = sizes.attention_scale != 0 ? sizes.attention_scale : 1 / std::sqrt(static_cast<double>(d));
  block.softcap = sizes.softcap;
  block.window = sizes.window;
  block.activation = kind.activation;
  if (sizes.gelu_by_tanh) {
    if (kind.activation != Activation::gelu_erf) {
      throw std::invalid_argument("the architecture '" + sizes.architecture + "' has no GELU by erf");
    }
    block.activation = Activation::gelu_tanh;
  }
  block.is_parallel = sizes.is_parallel;
  block.keeps_halves = sizes.keeps_halves;
  return block;
}

Model model_of(const RawTensors& tensors, const Hyperparameters& sizes) {
  const Kind kind = kind_of(sizes.architecture);
  const RawTensor& embedding = find(tensors, "token_embd.weight");
  if (embedding.ne.size() != 2) {
    refuse("token_embd.weight", "its shape is " + text(embedding.ne) + ", not that of a matrix");
  }
  Model model;
  model.n_vocab = embedding.ne[1];
  model.n_ctx = sizes.n_ctx;
  model.n_embd = sizes.n_embd;
  model.token_embd = weights(tensors, "token_embd.weight", {sizes.n_embd, model.n_vocab});
  model.embedding_scale = sizes.embedding_scale;
  if (kind.pairs == Pairs::none) {
    model.position_embd = weights(tensors, "position_embd.weight", {sizes.n_embd, sizes.n_ctx});
  }
  for (size_t i = 0; i < sizes.n_layer; ++i) {
    Hyperparameters of_block = sizes;
    of_block.window = sizes.full_every != 0 && (i + 1) % sizes.full_every == 0 ? 0 : sizes.window;
    model.blocks.push_back(block_of(tensors, "blk." + std::to_string(i) + ".", of_block));
  }
  model.output_norm = norm(tensors, "output_norm", sizes.n_embd, kind, sizes.eps);
  // Where a file has no other matrix, the embedding is multiplied with again at the end (openai/gpt-2, src/model.py: matmul(h_flat, wte)).
  const std::string output = tensors.contains("output.weight") ? "output" : "token_embd";
  model.output = matrix(tensors, output, model.n_vocab, sizes.n_embd);
  model.logit_softcap = sizes.logit_softcap;
  return model;
}

}  // namespace reference
