#include "reference/matmul.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "reference/formats/f16.h"
#include "reference/formats/f32.h"

namespace reference {

Weights decode_in_parts(const Format& format, const uint8_t* blocks, size_t count) {
  if (format.parts == nullptr) {
    return {decode(format, blocks, count), {}};
  }
  Weights w;
  w.scaled.resize(count * format.elements);
  w.offsets.resize(count * format.elements);
  for (size_t i = 0; i < count; ++i) {
    format.parts(blocks + i * format.bytes, &w.scaled[i * format.elements], &w.offsets[i * format.elements]);
  }
  return w;
}

namespace {

// What lies before the codes of a block.
size_t head_bytes(Activations activations) {
  return activations == Activations::i8_s ? 8 : activations == Activations::q8_k ? 4 : 2;
}

size_t block_bytes(Activations activations, size_t cols) {
  const size_t sums = activations == Activations::q8_k ? 32 : 0;
  return head_bytes(activations) + block_elements(activations, cols) + sums;
}

}  // namespace

size_t block_elements(Activations activations, size_t cols) {
  return activations == Activations::i8_s ? cols : activations == Activations::q8_k ? 256 : 32;
}

size_t token_bytes(Activations activations, size_t cols) {
  return activations == Activations::i8_s ? block_bytes(activations, cols)
                                          : cols / block_elements(activations, cols) * block_bytes(activations, cols);
}

Token decode_token(Activations activations, const uint8_t* blocks, size_t cols) {
  if (activations == Activations::as_they_are) {
    throw std::invalid_argument("activations that are no codes");
  }
  Token token{block_elements(activations, cols), {}, {}};
  for (size_t c = 0; c < cols; c += token.block, blocks += block_bytes(activations, cols)) {
    token.scales.push_back(activations == Activations::q8_0 ? half_at(blocks) : float_at(blocks));
    for (size_t j = 0; j < token.block; ++j) {
      token.codes.push_back(static_cast<int8_t>(blocks[head_bytes(activations) + j]));
    }
  }
  return token;
}

MatmulRow matmul(const Weights& w, size_t row, const Token& x, size_t group) {
  const size_t cols = x.codes.size();
  MatmulRow result{0, 0, false, false};
  const auto add_terms = [&](const std::vector<double>& part) {
    for (size_t begin = 0; begin < cols; begin += group) {
      const double* weights = part.data() + row * cols + begin;
      double sums[16] = {};  // exact each, so in any order
      for (size_t c = 0; c < group; c += 16) {
        for (size_t i = 0; i < 16; ++i) {
          sums[i] += weights[c + i] * x.codes[begin + c + i];
        }
      }
      double sum = 0;
      for (const double part_of_sum : sums) {
        sum += part_of_sum;
      }
      const double scale = x.scales[begin / x.block];
      const double term = sum * scale;
      if (std::isfinite(term)) {
        result.sum += term;
        result.sum_abs += std::fabs(term);
        continue;
      }
      const bool all_nan = std::all_of(weights, weights + group, [](double value) { return std::isnan(value); });
      result.special = true;
      result.has_nan = result.has_nan || all_nan || std::isnan(scale);
    }
  };
  add_terms(w.scaled);
  if (!w.offsets.empty()) {
    add_terms(w.offsets);
  }
  return result;
}

double magnitude_of_products(const Weights& w, size_t row, const Token& x) {
  const size_t cols = x.codes.size();
  double sum = 0;
  for (const auto* part : {&w.scaled, &w.offsets}) {
    for (size_t c = 0; c < (part->empty() ? 0 : cols); ++c) {
      const double product = (*part)[row * cols + c] * x.codes[c] * x.scales[c / x.block];
      sum += std::isfinite(product) ? std::fabs(product) : 0;
    }
  }
  return sum;
}

}  // namespace reference
