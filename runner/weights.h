#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "harness/runtime/dispatch.h"
#include "runner/gguf.h"

namespace assay {

/// Memory that is given out once, in parts, and whose pages the system gives when they are first written.
class Arena {
 public:
  enum class Pages { usual, huge };

  /// Huge pages where the kernel gives them. Throws MachineError, which says what it is `what` for, if the system does not give so much.
  Arena(size_t bytes, Pages pages, const char* what);
  ~Arena();
  Arena(const Arena&) = delete;

  /// The next `bytes`, aligned to 64; zeros. `round_up` of all that are taken must fit what the constructor was asked for.
  uint8_t* take(size_t bytes);
  size_t size() const { return bytes_; }
  static size_t round_up(size_t bytes) { return (bytes + 63) / 64 * 64; }

 private:
  uint8_t* begin_ = nullptr;
  size_t bytes_, taken_ = 0;
};

/// Bytes of memory that this machine has.
size_t machine_memory();

/// The floats of a row or vector of weights in a file, by the kernel dequantize_<format>.
class Dequantizer {
 public:
  /// For `n` weights, whole blocks.
  Dequantizer(TensorType type, size_t n, Dispatch& dispatch);
  /// y: n floats; row: a multiple of n weights from the tensor's begin.
  void operator()(float* y, const Tensor& tensor, size_t row) const;

 private:
  size_t n_, row_bytes_;
  Bound<void(float*, const void*, size_t)> run_;
  Bound<void(float*, const float*, float, size_t)> times_scale_;  // of a type whose tensors have one
};

/// All elements of a tensor as floats.
std::vector<float> tensor_floats(const Tensor& tensor, Dispatch& dispatch);

/// A 1-dimensional tensor of `n` floats. Throws InputError naming the file and tensor.
std::vector<float> tensor_vector(const std::string& file, const Tensor& tensor, size_t n, Dispatch& dispatch);

/// Throws InputError naming the file and tensor unless it is rows x cols: ne = {cols, rows}.
void expect_matrix(const std::string& file, const Tensor& tensor, size_t rows, size_t cols);

}  // namespace assay
