#include "runner/linear.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "harness/runtime/error.h"
#include "harness/runtime/formats.h"
#include "harness/runtime/plugin.h"
#include "harness/runtime/text.h"

namespace assay {
namespace {

size_t round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

}  // namespace

Linear::Linear(const std::string& file, const Tensor& w, const Tensor* bias, size_t rows, size_t cols,
               Dispatch& dispatch, const Tensor* scale)
    : tensor_(&w),
      rows_(rows),
      cols_(cols),
      dispatch_(&dispatch),
      kernel_(&find_kernel(fmt::format("matmul_{}", tensor_type_info(w.type).format->name))) {
  expect_matrix(file, w, rows, cols);
  if (bias != nullptr) {
    bias_ = tensor_vector(file, *bias, rows, dispatch);
  }
  if (scale != nullptr) {
    if (bias != nullptr) {
      throw InputError(
          fmt::format("{}: tensor {} has a scale and a bias: which of them is first is not said; convert the "
                      "model again",
                      file, quote(w.name)));
    }
    scale_ = tensor_vector(file, *scale, 1, dispatch);
    times_scale_ = dispatch.get<scale_f32_fn>("scale_f32", {rows});
  }
  const std::string_view activations = kernel_->contract->activations;
  if (activations == "i8_s") {
    token_bytes_ = 8 + cols;
    scale_of_weights_ = w.scale();
    quantize_with_scale_ = dispatch.get<quantize_i8_s_fn>("quantize_i8_s", {cols});
  } else if (activations != "f32") {
    token_bytes_ = activations == "q8_k" ? cols / 256 * 292 : cols / 32 * 34;
    quantize_ = dispatch.get<quantize_q8_0_fn>(fmt::format("quantize_{}", activations), {cols});
  }
  for_one_token_ = &dispatch.choose_variant(kernel_->name, {rows, cols, 1});
  pack_ = reinterpret_cast<assay_pack_fn*>(pack_of(*for_one_token_));
}

void Linear::pack(Arena& memory, ThreadPool& pool, const Release& release) {
  uint8_t* to = memory.take(packed_bytes());
  packed_ = to;
  const std::byte* from = tensor_->data.data();
  const size_t row_bytes = tensor_->data.size() / rows_;
  constexpr size_t kChunkBytes = size_t{1} << 20;
  const size_t step = round_up(std::max<size_t>(kChunkBytes / row_bytes, 1), kernel_->contract->row_step);
  pool.run((rows_ + step - 1) / step, [&](size_t chunk, unsigned) {
    const size_t row = chunk * step;
    const size_t rows = std::min(step, rows_ - row);
    pack_(to + pack_(nullptr, nullptr, row, cols_), from + row * row_bytes, rows, cols_);
    release({from + row * row_bytes, rows * row_bytes});
  });
}

const Linear::Step& Linear::step_for(size_t tokens) {
  auto [it, is_new] = steps_.try_emplace(tokens);
  if (is_new) {
    const Shape shape = {rows_, cols_, tokens};
    const Variant* variant = &dispatch_->choose_variant(kernel_->name, shape);
    if (layout_of(*variant) != layout_of(*for_one_token_)) {
      variant = for_one_token_;
    }
    it->second = {dispatch_->bind<matmul_fn>(*variant, shape), kernel_->scratch_bytes(shape)};
  }
  return it->second;
}

const void* Linear::activations(const float* x, size_t tokens, ThreadPool& pool) {
  if (token_bytes_ == 0) {
    return x;
  }
  std::byte* const quantized = pool.shared(tokens * token_bytes_);
  pool.run(tokens, [&](size_t t, unsigned) {
    std::byte* const to = quantized + t * token_bytes_;
    if (scale_of_weights_) {
      quantize_with_scale_(to, x + t * cols_, cols_, *scale_of_weights_);
    } else {
      quantize_(to, x + t * cols_, cols_);
    }
  });
  return quantized;
}

// Whole tiles, and enough work to be worth a hand-over between threads; but not all of a thread's share at once, since a core may
// be taken away, and not so little that what a call does once, such as preparing the tokens, is done over and over.
size_t Linear::rows_per_chunk(size_t tokens, unsigned threads) const {
  const size_t all = round_up(rows_, kernel_->contract->row_step);
  if (threads == 1) {
    return all;
  }
  constexpr size_t kWorthIt = size_t{1} << 18;  // multiply-adds: about 10 us of AVX2 code
  constexpr size_t kChunksOfThread = 4;
  const size_t worth_it = kWorthIt / std::max<size_t>(cols_ * tokens, 1);
  const size_t wanted = std::max({worth_it, rows_ / (kChunksOfThread * threads), size_t{1}});
  return std::min(round_up(wanted, kernel_->contract->row_step), all);
}

void Linear::run(float* y, size_t ldy, const float* x, size_t tokens, ThreadPool& pool) {
  const Step& step = step_for(tokens);
  const void* const prepared = activations(x, tokens, pool);
  const size_t rows = rows_per_chunk(tokens, pool.size());
  pool.reserve_scratch(step.scratch_bytes);
  pool.run((rows_ + rows - 1) / rows, [&](size_t chunk, unsigned thread) {
    const matmul_args args = {y,
                              packed_,
                              prepared,
                              bias_.empty() ? nullptr : bias_.data(),
                              step.scratch_bytes == 0 ? nullptr : pool.scratch(thread),
                              ldy,
                              rows_,
                              cols_,
                              tokens,
                              chunk * rows,
                              std::min(rows_, (chunk + 1) * rows)};
    step.run(&args);
  });
  for (size_t t = 0; t < tokens && !scale_.empty(); ++t) {
    times_scale_(y + t * ldy, y + t * ldy, scale_[0], rows_);
  }
}

}  // namespace assay
