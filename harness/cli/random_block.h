#pragma once
#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "harness/runtime/rng.h"
#include "reference/transformer.h"
#include "runner/block.h"

namespace assay {

/// The weights of one random block of an architecture, owned here and seen as tensors: by the runner, and by the reference. A block in
/// three is quantized, in one of the formats that have blocks; in it three matrices of four are. All others are F32, F16 or BF16.
class RandomBlock {
 public:
  RandomBlock(Rng& rng, const Architecture& architecture);
  /// With matrices of this format among them.
  RandomBlock(Rng& rng, const Architecture& architecture, const weight_format& format);
  /// Of these sizes, with none quantized, or matrices of a format among them.
  RandomBlock(Rng& rng, const BlockSizes& sizes, const weight_format* format = nullptr);
  RandomBlock(const RandomBlock&) = delete;  // tensors point into the data
  RandomBlock& operator=(const RandomBlock&) = delete;

  const BlockSizes& sizes() const { return sizes_; }

  /// As the runner wants them. The block must outlive what is made of it, both times.
  TensorSource source() const;

  /// As the reference wants them.
  reference::RawTensors raw_tensors() const;
  reference::Hyperparameters hyperparameters() const;

  const std::map<std::string, Tensor>& tensors() const { return tensors_; }
  /// Names of its matrices.
  std::vector<std::string> matrices() const;

 private:
  void make(Rng& rng, const weight_format* format);  // of sizes_
  void draw_sizes(Rng& rng, const weight_format* format);
  std::vector<std::byte>& bytes_of(const std::string& name, TensorType type, std::vector<uint64_t> ne);
  void floats(const std::string& name, TensorType type, std::vector<uint64_t> ne, Rng& rng, float mean,
              float deviation);
  void vector(const std::string& name, size_t n, Rng& rng, float mean);
  void linear(const std::string& name, size_t rows, size_t cols, bool has_bias, const weight_format* format, Rng& rng);

  BlockSizes sizes_;
  std::map<std::string, Tensor> tensors_;
  std::map<std::string, std::vector<std::byte>> data_;
};

}  // namespace assay
