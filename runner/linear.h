#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "harness/runtime/dispatch.h"
#include "kernels/matmul_f32/kernel.h"
#include "kernels/matmul_q1_0/kernel.h"
#include "runner/gguf.h"
#include "runner/thread_pool.h"

namespace assay {

/// Memory aligned to 64 bytes, as packed weights want it.
class AlignedBytes {
 public:
  explicit AlignedBytes(size_t bytes = 0);
  uint8_t* data() const { return data_.get(); }

 private:
  struct Free {
    void operator()(uint8_t* p) const;
  };
  std::unique_ptr<uint8_t, Free> data_;
};

/// A weight matrix of a model and its bias: y = w x + bias by the matmul kernel of the tensor's type (F32 and F16 by
/// matmul_f32, Q1_0 by matmul_q1_0 on activations quantized by quantize_q8_0). Packed once for each variant that
/// dispatch chooses for some number of tokens.
class Linear {
 public:
  /// `w`: rows x cols (ne = {cols, rows}); `bias`: rows floats or nullptr. Throws InputError naming the tensor if
  /// shapes or types do not fit.
  Linear(const std::string& file, const Tensor& w, const Tensor* bias, size_t rows, size_t cols, Dispatch& dispatch);

  /// y: tokens rows, ldy floats apart; x: tokens rows of cols floats, dense.
  void run(float* y, size_t ldy, const float* x, size_t tokens, ThreadPool& pool);

 private:
  bool is_q1() const { return tensor_->type == TensorType::q1_0; }
  template <class F>
  struct Step {
    Bound<F> run;
    const uint8_t* packed = nullptr;
  };
  template <class F, class Pack>
  const Step<F>& step_for(std::map<size_t, Step<F>>& steps, const char* kernel, size_t tokens);
  const uint8_t* packed_by(const Variant& variant);

  const Tensor* tensor_;
  size_t rows_, cols_;
  std::vector<float> bias_;
  Dispatch* dispatch_;
  std::map<std::string, AlignedBytes> packed_;       // by variant
  std::map<size_t, Step<matmul_f32_fn>> f32_steps_;  // by tokens
  std::map<size_t, Step<matmul_q1_0_fn>> q1_steps_;
  std::vector<uint8_t> q8_;
  std::vector<AlignedBytes> scratch_;  // one for each thread
};

/// The elements of a tensor as floats; F32, F16 and Q1_0. Throws InputError for other types.
std::vector<float> tensor_floats(const std::string& file, const Tensor& tensor);

/// A 1-dimensional tensor of `n` floats. Throws InputError naming the file and tensor.
std::vector<float> tensor_vector(const std::string& file, const Tensor& tensor, size_t n);

}  // namespace assay
