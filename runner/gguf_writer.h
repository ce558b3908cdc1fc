#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/runtime/atomic_file.h"
#include "runner/gguf.h"

namespace assay {

/// A tensor to be written: ne[0] is the innermost dimension.
struct GgufTensorInfo {
  std::string name;
  TensorType type;
  std::vector<uint64_t> ne;
};

/// Writes a GGUF v3 file: the header at once, then the data of the tensors in the order given, in
/// pieces of any size, so that no more than a piece needs to be in memory. Through an AtomicFile: the
/// earlier file stays whole until `finish`, and without `finish` nothing changes.
///
/// That `path` is not a file being read at the same time is for the caller to see to: such a reader
/// keeps the earlier file.
///
/// Errors are InputError: metadata or tensors that GgufFile would reject, data of a wrong size, and
/// a place that cannot be written to (no space, no permission, not a regular file).
class GgufWriter {
 public:
  GgufWriter(std::string path, std::span<const GgufKeyValue> metadata, std::vector<GgufTensorInfo> tensors);
  GgufWriter(const GgufWriter&) = delete;
  GgufWriter& operator=(const GgufWriter&) = delete;

  /// The next bytes of the current tensor, which may not go past its end.
  void write(std::span<const std::byte> data);

  /// Once, after the last byte of the last tensor.
  void finish();

 private:
  void put(std::span<const std::byte> data);
  void pad();

  std::string path_;
  std::optional<AtomicFile> file_;  ///< none before the header is known to be right, nor after `finish`
  uint64_t alignment_;
  uint64_t offset_ = 0;  ///< bytes written to the file
  std::vector<GgufTensorInfo> tensors_;
  std::vector<uint64_t> sizes_;
  size_t current_ = 0;
  uint64_t written_ = 0;  ///< bytes of the current tensor
};

/// Writes a whole file from tensors in memory; data[i] belongs to tensors[i].
void write_gguf(const std::string& path, std::span<const GgufKeyValue> metadata,
                const std::vector<GgufTensorInfo>& tensors, std::span<const std::span<const std::byte>> data);

}  // namespace assay
