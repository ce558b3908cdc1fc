#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/runtime/dispatch.h"
#include "kernels/matmul/kernel.h"
#include "kernels/quantize_i8_s/kernel.h"
#include "kernels/quantize_q8_0/kernel.h"
#include "kernels/scale_f32/kernel.h"
#include "runner/thread_pool.h"
#include "runner/weights.h"

namespace assay {

/// Is told of bytes of a file that are not needed any more, by any thread.
using Release = std::function<void(std::span<const std::byte>)>;

/// A weight matrix of a model and its bias: y = w x + bias, by the kernel matmul_<format> that dispatch has for the tensor's type. It
/// knows no format: the kernel's contract says what becomes of x and what else a call needs.
///
/// There is one packed copy, in the layout of the variant that is chosen for one token: generation reads all of it for each token, a
/// prompt once for many. More tokens run on the variant that is chosen for them if its layout is the same, else on that one.
class Linear {
 public:
  /// `w`: rows x cols; `bias`: rows floats or nullptr; `scale`: of the result, where there is no bias. All must outlive pack. Throws
  /// InputError naming the tensor if shapes do not fit.
  Linear(const std::string& file, const Tensor& w, const Tensor* bias, size_t rows, size_t cols, Dispatch& dispatch,
         const Tensor* scale = nullptr);

  /// Bytes that pack takes of the memory.
  size_t packed_bytes() const { return Arena::round_up(pack_(nullptr, nullptr, rows_, cols_)); }

  /// Packs the weights, once and before run, straight from the file's bytes, by all threads.
  void pack(Arena& memory, ThreadPool& pool, const Release& release);

  /// y: tokens rows, ldy floats apart; x: tokens rows of cols floats, dense.
  void run(float* y, size_t ldy, const float* x, size_t tokens, ThreadPool& pool);

 private:
  struct Step {
    Bound<matmul_fn> run;
    size_t scratch_bytes;
  };
  const Step& step_for(size_t tokens);
  const void* activations(const float* x, size_t tokens, ThreadPool& pool);
  size_t rows_per_chunk(size_t tokens, unsigned threads) const;

  const Tensor* tensor_;
  size_t rows_, cols_;
  std::vector<float> bias_;
  std::vector<float> scale_;  // one or none
  Bound<scale_f32_fn> times_scale_;
  Dispatch* dispatch_;
  const Kernel* kernel_;
  const Variant* for_one_token_;
  assay_pack_fn* pack_;
  const uint8_t* packed_ = nullptr;
  std::map<size_t, Step> steps_;  // by tokens

  // Where the kernel multiplies with quantized activations.
  size_t token_bytes_ = 0;                 // of a token; 0: it is multiplied as it is
  Bound<quantize_q8_0_fn> quantize_;       // or quantize_q8_k, which is called alike
  std::optional<float> scale_of_weights_;  // where all have one, and no other
  Bound<quantize_i8_s_fn> quantize_with_scale_;
};

}  // namespace assay
