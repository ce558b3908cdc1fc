#include "reference/transformer.h"

#include <algorithm>
#include <cmath>

#include "reference/matmul.h"
#include "reference/quantize_q8_0.h"
#include "reference/quantize_q8_k.h"

namespace reference {
namespace {

double gelu(double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }

/// What is left of x after rounding.
std::vector<double> round_to(Activations activations, const double* x, size_t n) {
  const std::vector<float> floats(x, x + n);
  std::vector<uint8_t> blocks(n / block_elements(activations) * block_bytes(activations));
  if (activations == Activations::q8_k) {
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

std::vector<double> LayerNorm::apply(const double* x) const {
  const size_t n = w.size();
  double mean = 0;
  for (size_t i = 0; i < n; ++i) {
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
    y[i] = (x[i] - mean) / std::sqrt(variance + eps) * w[i] + b[i];
  }
  return y;
}

void forward(const Gpt2Block& block, std::vector<double>& x, size_t tokens, KvCache& cache) {
  const size_t n = block.n_embd;
  const size_t d = n / block.n_head;
  for (size_t t = 0; t < tokens; ++t) {
    double* row = x.data() + t * n;
    const std::vector<double> qkv = block.qkv.apply(block.ln1.apply(row).data());
    cache.k.insert(cache.k.end(), qkv.begin() + static_cast<std::ptrdiff_t>(n),
                   qkv.begin() + static_cast<std::ptrdiff_t>(2 * n));
    cache.v.insert(cache.v.end(), qkv.begin() + static_cast<std::ptrdiff_t>(2 * n), qkv.end());
    const size_t keys = cache.k.size() / n;
    std::vector<double> heads(n, 0);
    for (size_t h = 0; h < block.n_head; ++h) {
      std::vector<double> p(keys);
      for (size_t j = 0; j < keys; ++j) {
        for (size_t i = 0; i < d; ++i) {
          p[j] += qkv[h * d + i] * cache.k[j * n + h * d + i];
        }
        p[j] /= std::sqrt(static_cast<double>(d));
      }
      const double max = *std::max_element(p.begin(), p.end());
      double sum = 0;
      for (double& e : p) {
        e = std::exp(e - max);
        sum += e;
      }
      for (size_t j = 0; j < keys; ++j) {
        for (size_t i = 0; i < d; ++i) {
          heads[h * d + i] += p[j] / sum * cache.v[j * n + h * d + i];
        }
      }
    }
    const std::vector<double> attended = block.proj.apply(heads.data());
    for (size_t i = 0; i < n; ++i) {
      row[i] += attended[i];
    }
    std::vector<double> hidden = block.up.apply(block.ln2.apply(row).data());
    for (double& v : hidden) {
      v = gelu(v);
    }
    const std::vector<double> fed = block.down.apply(hidden.data());
    for (size_t i = 0; i < n; ++i) {
      row[i] += fed[i];
    }
  }
}

std::vector<double> forward(const Gpt2& model, const std::vector<int32_t>& tokens, size_t past,
                            std::vector<KvCache>& caches) {
  const size_t n = model.n_embd;
  std::vector<double> x(tokens.size() * n);
  for (size_t t = 0; t < tokens.size(); ++t) {
    for (size_t i = 0; i < n; ++i) {
      x[t * n + i] = model.token_embd[static_cast<size_t>(tokens[t]) * n + i] + model.position_embd[(past + t) * n + i];
    }
  }
  caches.resize(model.blocks.size());
  for (size_t b = 0; b < model.blocks.size(); ++b) {
    forward(model.blocks[b], x, tokens.size(), caches[b]);
  }
  return model.output.apply(model.output_norm.apply(x.data() + (tokens.size() - 1) * n).data());
}

}  // namespace reference
