#include "reference/transformer.h"

#include <algorithm>
#include <cmath>

#include "reference/convert_f16.h"
#include "reference/formats/ieee754.h"
#include "reference/matmul.h"
#include "reference/quantize_i8_s.h"
#include "reference/quantize_q8_0.h"
#include "reference/quantize_q8_k.h"

namespace reference {
namespace {

double gelu(double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }

/// What is left of x after rounding.
std::vector<double> round_to(Activations activations, const double* x, size_t n) {
  const std::vector<float> floats(x, x + n);
  std::vector<uint8_t> blocks(token_bytes(activations, n));
  if (activations == Activations::i8_s) {
    quantize_i8_s(blocks.data(), floats.data(), n, 1);
  } else if (activations == Activations::q8_k) {
    quantize_q8_k(blocks.data(), floats.data(), n);
  } else {
    quantize_q8_0(blocks.data(), floats.data(), n);
  }
  Token token = decode_token(activations, blocks.data(), n);
  for (size_t i = 0; i < n; ++i) {
    token.codes[i] *= token.scales[i / token.block];
  }
  return token.codes;
}

}  // namespace

std::vector<double> Linear::apply(const double* x) const {
  std::vector<double> rounded;
  if (rounds_activations()) {
    rounded = round_to(activations, x, cols);
    x = rounded.data();
  }
  std::vector<double> y(rows);
  for (size_t r = 0; r < rows; ++r) {
    double sum = b.empty() ? 0 : b[r];
    for (size_t c = 0; c < cols; ++c) {
      sum += w[r * cols + c] * x[c];
    }
    y[r] = sum;
  }
  return y;
}

std::vector<double> Norm::apply(const double* x) const {
  const size_t n = w.size();
  double mean = 0;
  for (size_t i = 0; i < n && !root_mean_square; ++i) {
    mean += x[i];
  }
  mean /= static_cast<double>(n);
  double variance = 0;
  for (size_t i = 0; i < n; ++i) {
    variance += (x[i] - mean) * (x[i] - mean);
  }
  variance /= static_cast<double>(n);
  std::vector<double> y(n);
  for (size_t i = 0; i < n; ++i) {
    y[i] = (x[i] - mean) / std::sqrt(variance + eps) * w[i] + (b.empty() ? 0 : b[i]);
  }
  return y;
}

namespace {

/// Each of the heads side by side in x, of the norm's width; as they are where there is no norm.
void norm_each(const Norm& norm, std::vector<double>& x) {
  const size_t d = norm.w.size();
  for (size_t at = 0; d != 0 && at < x.size(); at += d) {
    const std::vector<double> normed = norm.apply(x.data() + at);
    std::copy(normed.begin(), normed.end(), x.begin() + static_cast<std::ptrdiff_t>(at));
  }
}

/// Each head of x for its position.
void turn(const Block& block, std::vector<double>& x, size_t position) {
  const size_t half = block.frequencies.size();
  for (size_t head = 0; head < x.size() && block.pairs != Pairs::none; head += block.head_size) {
    for (size_t i = 0; i < half; ++i) {
      double& a = x[head + (block.pairs == Pairs::halves ? i : 2 * i)];
      double& b = x[head + (block.pairs == Pairs::halves ? i + half : 2 * i + 1)];
      const double angle = static_cast<double>(position) * block.frequencies[i];
      const double turned = block.magnitude * (a * std::cos(angle) - b * std::sin(angle));
      b = block.magnitude * (b * std::cos(angle) + a * std::sin(angle));
      a = turned;
    }
  }
}

void keep(std::vector<double>& cache, std::vector<double> row, bool as_halves) {
  for (double& value : row) {
    value = as_halves ? ieee754(convert_f16(static_cast<float>(value)), 5, 10) : value;
  }
  cache.insert(cache.end(), row.begin(), row.end());
}

/// What the query heads q take from the cache, whose last position is theirs.
std::vector<double> attend(const Block& block, const std::vector<double>& q, const KvCache& cache) {
  const size_t d = block.head_size;
  const size_t width = block.n_head_kv * d;
  const size_t keys = cache.k.size() / width;
  const size_t first = block.window != 0 && keys > block.window ? keys - block.window : 0;
  std::vector<double> out(q.size(), 0);
  for (size_t h = 0; h < block.n_head; ++h) {
    const size_t at = h / (block.n_head / block.n_head_kv) * d;
    std::vector<double> p(keys - first);
    for (size_t j = first; j < keys; ++j) {
      double score = 0;
      for (size_t i = 0; i < d; ++i) {
        score += q[h * d + i] * cache.k[j * width + at + i];
      }
      score *= block.attention_scale;
      p[j - first] = block.softcap != 0 ? block.softcap * std::tanh(score / block.softcap) : score;
    }
    const double max = *std::max_element(p.begin(), p.end());
    double sum = 0;
    for (double& e : p) {
      e = std::exp(e - max);
      sum += e;
    }
    for (size_t j = first; j < keys; ++j) {
      for (size_t i = 0; i < d; ++i) {
        out[h * d + i] += p[j - first] / sum * cache.v[j * width + at + i];
      }
    }
  }
  return out;
}

double activate(Activation activation, double gate, double up) {
  switch (activation) {
    case Activation::gelu_tanh:
      return gelu(up);
    case Activation::gelu_erf:
      return 0.5 * up * std::erfc(-up / std::sqrt(2.0));
    case Activation::silu_gated:
      return gate / (1 + std::exp(-gate)) * up;
    case Activation::gelu_tanh_gated:
      return gelu(gate) * up;
    case Activation::relu2_gated:
      return gate > 0 ? gate * gate * up : 0;
  }
  return 0;
}

std::vector<double> feed_forward(const Block& block, const double* x) {
  const std::vector<double> normed = block.ffn_norm.apply(x);
  std::vector<double> wide = block.up.apply(normed.data());
  const std::vector<double> gate = block.gate.rows != 0 ? block.gate.apply(normed.data()) : wide;
  for (size_t i = 0; i < wide.size(); ++i) {
    wide[i] = activate(block.activation, gate[i], wide[i]);
  }
  norm_each(block.ffn_sub_norm, wide);
  std::vector<double> y = block.down.apply(wide.data());
  norm_each(block.post_ffn_norm, y);
  return y;
}

}  // namespace

bool Block::rounds_activations() const {
  return q.rounds_activations() || k.rounds_activations() || v.rounds_activations() || proj.rounds_activations() ||
         gate.rounds_activations() || up.rounds_activations() || down.rounds_activations();
}

void forward(const Block& block, std::vector<double>& x, size_t tokens, KvCache& cache) {
  const size_t n = block.n_embd;
  for (size_t t = 0; t < tokens; ++t) {
    double* row = x.data() + t * n;
    const size_t position = cache.k.size() / (block.n_head_kv * block.head_size);
    const std::vector<double> normed = block.attn_norm.apply(row);
    std::vector<double> q = block.q.apply(normed.data());
    std::vector<double> k = block.k.apply(normed.data());
    norm_each(block.q_norm, q);
    norm_each(block.k_norm, k);
    turn(block, q, position);
    turn(block, k, position);
    keep(cache.k, k, block.keeps_halves);
    keep(cache.v, block.v.apply(normed.data()), block.keeps_halves);
    std::vector<double> heads = attend(block, q, cache);
    norm_each(block.attn_sub_norm, heads);
    std::vector<double> attended = block.proj.apply(heads.data());
    norm_each(block.post_attn_norm, attended);
    const std::vector<double> of_x = block.is_parallel ? feed_forward(block, row) : std::vector<double>();
    for (size_t i = 0; i < n; ++i) {
      row[i] += attended[i];
    }
    const std::vector<double> fed = block.is_parallel ? of_x : feed_forward(block, row);
    for (size_t i = 0; i < n; ++i) {
      row[i] += fed[i];
    }
  }
}

std::vector<double> forward(const Model& model, const std::vector<int32_t>& tokens, size_t past,
                            std::vector<KvCache>& caches) {
  const size_t n = model.n_embd;
  std::vector<double> x(tokens.size() * n);
  for (size_t t = 0; t < tokens.size(); ++t) {
    for (size_t i = 0; i < n; ++i) {
      x[t * n + i] = model.token_embd[static_cast<size_t>(tokens[t]) * n + i] * model.embedding_scale;
      if (!model.position_embd.empty()) {
        x[t * n + i] += model.position_embd[(past + t) * n + i];
      }
    }
  }
  caches.resize(model.blocks.size());
  for (size_t b = 0; b < model.blocks.size(); ++b) {
    forward(model.blocks[b], x, tokens.size(), caches[b]);
  }
  std::vector<double> logits = model.output.apply(model.output_norm.apply(x.data() + (tokens.size() - 1) * n).data());
  for (double& logit : logits) {
    logit = model.logit_softcap != 0 ? model.logit_softcap * std::tanh(logit / model.logit_softcap) : logit;
  }
  return logits;
}

}  // namespace reference
