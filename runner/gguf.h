#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "harness/runtime/text.h"
#include "kernels/formats/format.h"

namespace assay {

/// GGUF v3, the model file format of ggml:
/// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md Little-endian, as every CPU that assay
/// runs on.
inline constexpr uint32_t kGgufVersion = 3;
/// Version 3 added big-endian files: a little-endian one of version 2 is laid out the same. Version 1 had 32-bit counts.
inline constexpr uint32_t kGgufOldestVersion = 2;
inline constexpr uint32_t kGgufDefaultAlignment = 32;

/// What the reader takes from a file, whatever its header says. Far above any real model, far below
/// what would make reading costly; names and dimensions are the format's own limits.
inline constexpr uint64_t kGgufMaxKeys = 65'536;
inline constexpr uint64_t kGgufMaxTensors = 65'536;
inline constexpr uint64_t kGgufMaxKeyBytes = 65'535;
inline constexpr uint64_t kGgufMaxNameBytes = 64;
inline constexpr uint64_t kGgufMaxStringBytes = 16u << 20;
inline constexpr uint64_t kGgufMaxArrayLength = 16u << 20;
inline constexpr uint32_t kGgufMaxDims = 4;
/// All before the tensors' data. A sparse file of many TiB costs nothing, so the size of the file alone
/// bounds no memory; the header of a model with a vocabulary of 250'000 tokens is some 10 MiB.
inline constexpr uint64_t kGgufMaxHeaderBytes = 128u << 20;

/// A tensor's type: ggml's number (`enum ggml_type`). The types that the runner reads are the formats of kernels/formats/; those
/// that files are written in have a name here.
enum class TensorType : uint32_t { f32 = 0, f16 = 1, bf16 = 30, q1_0 = 41 };

/// How a type lies in a file: `block_bytes` bytes hold `block` consecutive elements of a row.
struct TensorTypeInfo {
  TensorType type;
  std::string name;  ///< as people write it: "Q8_0"
  uint32_t block;
  uint32_t block_bytes;
  uint32_t tail_bytes;  ///< behind all blocks of a tensor: a float, its scale, and padding; 0: it has none
  const weight_format* format;
};

/// Every type that the runner reads.
std::span<const TensorTypeInfo> tensor_types();

/// nullptr for a number that is none of them.
const TensorTypeInfo* find_tensor_type(uint32_t number);

/// Layout of a known type.
const TensorTypeInfo& tensor_type_info(TensorType type);

/// Bytes of a tensor of shape `ne` (ne[0]: elements of a row) in a file. Throws InputError, without the
/// place, for 0 or over 4 dimensions, an empty one, a row that is not whole blocks, or 2^63 bytes
/// and more.
uint64_t tensor_bytes(TensorType type, std::span<const uint64_t> ne);

/// A metadata array. The index of the alternative is GGUF's number of the element type; 9, an array
/// of arrays, is one that no model uses and the reader rejects.
using GgufArray = std::variant<std::vector<uint8_t>, std::vector<int8_t>, std::vector<uint16_t>, std::vector<int16_t>,
                               std::vector<uint32_t>, std::vector<int32_t>, std::vector<float>, std::vector<bool>,
                               std::vector<std::string>, std::monostate, std::vector<uint64_t>, std::vector<int64_t>,
                               std::vector<double>>;

/// A metadata value. The index of the alternative is GGUF's number of the type.
using GgufValue = std::variant<uint8_t, int8_t, uint16_t, int16_t, uint32_t, int32_t, float, bool, std::string,
                               GgufArray, uint64_t, int64_t, double>;

struct GgufKeyValue {
  std::string key;
  GgufValue value;
};

/// A tensor of an open file.
struct Tensor {
  std::string name;
  TensorType type;
  uint32_t n_dims;                  ///< 1..4
  std::array<uint64_t, 4> ne;       ///< elements in each dimension, ne[0] innermost; 1 past n_dims
  uint64_t n_elements;              ///< the product of ne
  std::span<const std::byte> data;  ///< its blocks
  std::span<const std::byte> tail;  ///< and what is behind them

  /// Of all its weights: what the tail says, or 1.
  float scale() const;
  std::span<const uint64_t> shape() const { return {ne.data(), n_dims}; }
};

/// A GGUF file, mapped read-only, or a LLaMA of 2023 (runner/old_ggml.h), read as the GGUF file that it would be. Nothing in the file is trusted: every count, length, dimension
/// and offset is checked against the limits above and the size of the file before it is used, and
/// memory taken is at most proportional to that of the header. What is wrong is an InputError that names the
/// file, the byte offset, the value and the remedy.
///
/// Spans and references stay valid as long as the object, moves included. The file must not be
/// truncated meanwhile: that is a SIGBUS in any program that maps files.
class GgufFile {
 public:
  /// Maps and checks the file, and where it is the first of a split model (NAME-00001-of-00003.gguf) the others, too: their tensors follow
  /// its own. Of a model of 2023 in parts (NAME.bin, NAME.bin.1), the first is given, too.
  static GgufFile open(const std::string& path);

  /// The same checks on bytes in memory, which the caller keeps alive and which begin at an 8-byte
  /// boundary; `name` stands for the path in errors.
  static GgufFile parse(std::string name, std::span<const std::byte> bytes);

  const std::string& path() const { return path_; }
  uint32_t alignment() const { return alignment_; }

  /// All of the metadata and the tensors, in the order of the file.
  const std::vector<GgufKeyValue>& metadata() const { return metadata_; }
  const std::vector<Tensor>& tensors() const { return tensors_; }

  /// For people to read: what a file of 2023 does not say, and what was taken for it. None of a GGUF file.
  const std::vector<std::string>& notes() const { return notes_; }
  /// Whether the bytes of a tensor are not those of the file, but memory of their own in which its rows were laid out anew.
  bool is_laid_out(const Tensor& tensor) const;

  /// Lets go of the memory that holds these bytes of the mapped file, once nobody needs them soon. They can still be read: they come
  /// from the file again.
  void release(std::span<const std::byte> bytes) const;

  /// The tensor of that name: nullptr, or for `tensor` InputError, if there is none.
  const Tensor* find_tensor(std::string_view name) const;
  const Tensor& tensor(std::string_view name) const;

  /// Metadata by key. Integers come from any integer type that holds a fitting value, floats from
  /// both float types. A missing key is InputError; for `find_*`, it is nothing. A value of another
  /// type, or one that does not fit, is InputError in both.
  uint32_t u32(std::string_view key) const;
  uint64_t u64(std::string_view key) const;
  int32_t i32(std::string_view key) const;
  float f32(std::string_view key) const;
  bool boolean(std::string_view key) const;
  const std::string& string(std::string_view key) const;
  const std::vector<std::string>& strings(std::string_view key) const;
  std::vector<int32_t> i32s(std::string_view key) const;
  std::vector<float> f32s(std::string_view key) const;

  std::optional<uint32_t> find_u32(std::string_view key) const;
  std::optional<uint64_t> find_u64(std::string_view key) const;
  std::optional<int32_t> find_i32(std::string_view key) const;
  std::optional<float> find_f32(std::string_view key) const;
  std::optional<bool> find_boolean(std::string_view key) const;
  const std::string* find_string(std::string_view key) const;
  const std::vector<std::string>* find_strings(std::string_view key) const;
  std::optional<std::vector<int32_t>> find_i32s(std::string_view key) const;
  std::optional<std::vector<float>> find_f32s(std::string_view key) const;

  /// The value as it is; nullptr if the key is missing.
  const GgufValue* find(std::string_view key) const;

 private:
  class Mapping {
   public:
    Mapping() = default;
    explicit Mapping(const std::string& path);
    ~Mapping();
    Mapping(Mapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
    Mapping& operator=(Mapping&& other) noexcept {
      std::swap(bytes_, other.bytes_);
      return *this;
    }
    std::span<const std::byte> bytes() const { return bytes_; }

   private:
    std::span<const std::byte> bytes_;
  };

  GgufFile() = default;
  static GgufFile open_alone(const std::string& path);
  void read(std::span<const std::byte> bytes);
  void read_old(std::span<const std::byte> bytes);
  void add_parts();
  [[noreturn]] void missing_key(std::string_view key) const;
  [[noreturn]] void wrong_value(std::string_view key, std::string_view wanted) const;

  template <class Found>
  Found present(std::string_view key, Found found) const;
  template <class T>
  std::optional<T> find_number(std::string_view key, std::string_view wanted) const;
  template <class T>
  std::optional<std::vector<T>> find_numbers(std::string_view key, std::string_view wanted) const;

  std::string path_;
  Mapping mapping_;
  std::vector<Mapping> parts_;  ///< the others, of a split model
  std::vector<std::unique_ptr<std::byte[]>> laid_out_;
  std::vector<std::string> notes_;
  uint32_t alignment_ = kGgufDefaultAlignment;
  std::vector<GgufKeyValue> metadata_;
  std::vector<Tensor> tensors_;
  std::map<std::string, size_t, std::less<>> key_index_;
  std::map<std::string, size_t, std::less<>> tensor_index_;
};

/// The alignment that a file with this metadata has. Throws InputError, without the place, unless
/// `general.alignment` is absent or an integer power of two that is at least 8, the format's unit.
uint32_t gguf_alignment(const GgufValue* general_alignment);

}  // namespace assay
