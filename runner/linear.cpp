#include "runner/linear.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdlib>
#include <cstring>
#include <new>

#include "harness/runtime/error.h"
#include "kernels/quantize_q8_0/kernel.h"
#include "runner/half.h"

namespace assay {
namespace {

constexpr size_t kQ1Block = 128, kQ1Bytes = 18;
constexpr size_t kQ8Block = 32, kQ8Bytes = 34;

// Rows of one chunk: a multiple of every tile (64), and enough work to be worth a hand-over between threads.
size_t rows_per_chunk(size_t rows, size_t cols, size_t tokens) {
  constexpr size_t kWorthIt = size_t{1} << 18;  // multiply-adds: about 10 us of AVX2 code
  const size_t per_row = std::max<size_t>(cols * tokens, 1);
  const size_t wanted = std::max<size_t>(kWorthIt / per_row, 1);
  return std::min((wanted + 63) / 64 * 64, (rows + 63) / 64 * 64);
}

}  // namespace

AlignedBytes::AlignedBytes(size_t bytes)
    : data_(static_cast<uint8_t*>(std::aligned_alloc(64, (bytes + 127) / 64 * 64))) {
  if (!data_) {
    throw std::bad_alloc();
  }
}

void AlignedBytes::Free::operator()(uint8_t* p) const { std::free(p); }

std::vector<float> tensor_floats(const std::string& file, const Tensor& tensor) {
  std::vector<float> values(tensor.n_elements);
  const auto* bytes = reinterpret_cast<const uint8_t*>(tensor.data.data());
  const auto half_at = [&](size_t offset) {
    uint16_t half;
    std::memcpy(&half, bytes + offset, sizeof half);
    return half_to_float(half);
  };
  switch (tensor.type) {
    case TensorType::f32:
      std::memcpy(values.data(), bytes, values.size() * sizeof(float));
      break;
    case TensorType::f16:
      for (size_t i = 0; i < values.size(); ++i) {
        values[i] = half_at(2 * i);
      }
      break;
    case TensorType::q1_0:
      for (size_t i = 0; i < values.size(); ++i) {
        const size_t block = i / kQ1Block * kQ1Bytes;
        const size_t bit = i % kQ1Block;
        const float d = half_at(block);
        values[i] = ((bytes[block + 2 + bit / 8] >> (bit % 8)) & 1) != 0 ? d : -d;
      }
      break;
    default:
      throw InputError(fmt::format("{}: tensor {} is {}; the runner reads F32, F16 and Q1_0: convert the model", file,
                                   quote(tensor.name), tensor_type_info(tensor.type).name));
  }
  return values;
}

std::vector<float> tensor_vector(const std::string& file, const Tensor& tensor, size_t n) {
  if (tensor.n_elements != n || tensor.ne[0] != n) {
    throw InputError(fmt::format(
        "{}: tensor {} has shape [{}], expected [{}]: the metadata and the tensors disagree; convert the model again",
        file, quote(tensor.name), fmt::join(tensor.shape(), ", "), n));
  }
  return tensor_floats(file, tensor);
}

Linear::Linear(const std::string& file, const Tensor& w, const Tensor* bias, size_t rows, size_t cols,
               Dispatch& dispatch)
    : tensor_(&w), rows_(rows), cols_(cols), dispatch_(&dispatch) {
  if (w.ne[0] != cols || w.ne[1] != rows || w.n_elements != rows * cols) {
    throw InputError(
        fmt::format("{}: tensor {} has shape [{}], expected [{}, {}]: the metadata and the tensors disagree; convert "
                    "the model again",
                    file, quote(w.name), fmt::join(w.shape(), ", "), cols, rows));
  }
  if (w.type != TensorType::f32 && w.type != TensorType::f16 && w.type != TensorType::q1_0) {
    throw InputError(fmt::format("{}: tensor {} is {}; the runner reads F32, F16 and Q1_0: convert the model", file,
                                 quote(w.name), tensor_type_info(w.type).name));
  }
  if (bias != nullptr) {
    bias_ = tensor_vector(file, *bias, rows);
  }
}

const uint8_t* Linear::packed_by(const Variant& variant) {
  auto [it, is_new] = packed_.try_emplace(variant.label());
  if (is_new) {
    if (is_q1()) {
      auto* pack = reinterpret_cast<matmul_q1_0_pack_fn*>(variant.pack);
      it->second = AlignedBytes(pack(nullptr, nullptr, rows_, cols_));
      pack(it->second.data(), tensor_->data.data(), rows_, cols_);
    } else {
      auto* pack = reinterpret_cast<matmul_f32_pack_fn*>(variant.pack);
      it->second = AlignedBytes(pack(nullptr, nullptr, rows_, cols_));
      const std::vector<float> w = tensor_floats("", *tensor_);
      pack(it->second.data(), w.data(), rows_, cols_);
    }
  }
  return it->second.data();
}

template <class F, class Pack>
const Linear::Step<F>& Linear::step_for(std::map<size_t, Step<F>>& steps, const char* kernel, size_t tokens) {
  auto [it, is_new] = steps.try_emplace(tokens);
  if (is_new) {
    const Shape shape = {rows_, cols_, tokens};
    it->second.run = dispatch_->get<F>(kernel, shape);
    it->second.packed = packed_by(it->second.run.variant());
  }
  return it->second;
}

void Linear::run(float* y, size_t ldy, const float* x, size_t tokens, ThreadPool& pool) {
  const size_t step_rows = rows_per_chunk(rows_, cols_, tokens);
  const size_t chunks = (rows_ + step_rows - 1) / step_rows;
  const float* bias = bias_.empty() ? nullptr : bias_.data();
  if (!is_q1()) {
    const auto& step = step_for<matmul_f32_fn, matmul_f32_pack_fn>(f32_steps_, "matmul_f32", tokens);
    pool.run(chunks, [&](size_t chunk, unsigned) {
      const matmul_f32_args args = {y,
                                    step.packed,
                                    x,
                                    bias,
                                    ldy,
                                    cols_,
                                    rows_,
                                    cols_,
                                    tokens,
                                    chunk * step_rows,
                                    std::min(rows_, (chunk + 1) * step_rows)};
      step.run(&args);
    });
    return;
  }
  const size_t row_bytes = cols_ / kQ8Block * kQ8Bytes;
  q8_.resize(tokens * row_bytes);
  const auto quantize = dispatch_->get<quantize_q8_0_fn>("quantize_q8_0", {cols_});
  for (size_t t = 0; t < tokens; ++t) {
    quantize(q8_.data() + t * row_bytes, x + t * cols_, cols_);
  }
  while (scratch_.size() < pool.size()) {
    scratch_.emplace_back(find_kernel("matmul_q1_0").scratch_bytes({rows_, cols_, tokens}));
  }
  const auto& step = step_for<matmul_q1_0_fn, matmul_q1_0_pack_fn>(q1_steps_, "matmul_q1_0", tokens);
  pool.run(chunks, [&](size_t chunk, unsigned thread) {
    const matmul_q1_0_args args = {y,
                                   step.packed,
                                   q8_.data(),
                                   bias,
                                   scratch_[thread].data(),
                                   ldy,
                                   rows_,
                                   cols_,
                                   tokens,
                                   chunk * step_rows,
                                   std::min(rows_, (chunk + 1) * step_rows)};
    step.run(&args);
  });
}

}  // namespace assay
