#include "runner/gguf_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <type_traits>

#include "harness/runtime/error.h"

namespace assay {
namespace {

uint64_t align_up(uint64_t n, uint64_t alignment) { return (n + alignment - 1) / alignment * alignment; }

/// The header in memory. Limits are those of the reader: what is written can be read.
class Encoder {
 public:
  explicit Encoder(const std::string& path) : path_(path) {}

  [[noreturn]] void fail(const std::string& what) const {
    throw InputError(fmt::format("{}: cannot write this GGUF: {}", path_, what));
  }

  template <class T>
  void number(T value) {
    const auto* raw = reinterpret_cast<const std::byte*>(&value);
    bytes_.insert(bytes_.end(), raw, raw + sizeof value);
  }

  void raw(std::string_view text) {
    const auto view = std::as_bytes(std::span(text));
    bytes_.insert(bytes_.end(), view.begin(), view.end());
  }

  void string(const std::string& text, uint64_t limit, const std::string& what) {
    if (text.size() > limit) {
      fail(fmt::format("{}: string of {} bytes is over the limit of {}", what, text.size(), limit));
    }
    number<uint64_t>(text.size());
    raw(text);
  }

  template <class T>
  void value(const T& v, const std::string& what) {
    if constexpr (std::is_same_v<T, std::string>) {
      string(v, kGgufMaxStringBytes, what);
    } else if constexpr (std::is_same_v<T, bool>) {
      number<uint8_t>(v ? 1 : 0);
    } else if constexpr (std::is_same_v<T, GgufArray>) {
      number(static_cast<uint32_t>(v.index()));
      std::visit([&](const auto& values) { elements(values, what); }, v);
    } else {
      number(v);
    }
  }

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  void elements(const std::monostate&, const std::string& what) const {
    fail(what + ": arrays of arrays are not supported");
  }

  template <class T>
  void elements(const std::vector<T>& values, const std::string& what) {
    if (values.size() > kGgufMaxArrayLength) {
      fail(fmt::format("{}: array of {} is over the limit of {}", what, values.size(), kGgufMaxArrayLength));
    }
    number<uint64_t>(values.size());
    for (size_t i = 0; i < values.size(); ++i) {
      value<T>(values[i], what);
    }
  }

  const std::string& path_;
  std::vector<std::byte> bytes_;
};

uint64_t alignment_of(const Encoder& encoder, std::span<const GgufKeyValue> metadata) {
  const GgufValue* value = nullptr;
  for (const auto& entry : metadata) {
    if (entry.key == "general.alignment") {
      value = &entry.value;
    }
  }
  try {
    return gguf_alignment(value);
  } catch (const InputError& e) {
    encoder.fail(fmt::format("metadata key 'general.alignment': {}", e.what()));
  }
}

void put_metadata(Encoder& encoder, std::span<const GgufKeyValue> metadata) {
  std::set<std::string_view> keys;
  for (const auto& entry : metadata) {
    const std::string what = "metadata key " + quote(entry.key);
    if (entry.key.empty() || !keys.insert(entry.key).second) {
      encoder.fail(what + (entry.key.empty() ? " is empty" : " occurs twice"));
    }
    encoder.string(entry.key, kGgufMaxKeyBytes, what);
    encoder.number(static_cast<uint32_t>(entry.value.index()));
    std::visit([&](const auto& v) { encoder.value(v, what); }, entry.value);
  }
}

/// Returns the size of each tensor in bytes.
std::vector<uint64_t> put_tensors(Encoder& encoder, std::span<const GgufTensorInfo> tensors, uint64_t alignment) {
  std::set<std::string_view> names;
  std::vector<uint64_t> sizes;
  uint64_t offset = 0;
  for (const auto& tensor : tensors) {
    const std::string what = "tensor " + quote(tensor.name);
    if (tensor.name.empty() || !names.insert(tensor.name).second) {
      encoder.fail(what + (tensor.name.empty() ? " has no name" : " occurs twice"));
    }
    try {
      sizes.push_back(tensor_bytes(tensor.type, tensor.ne));
    } catch (const InputError& e) {
      encoder.fail(fmt::format("{}: {}", what, e.what()));
    }
    if (static_cast<uint32_t>(tensor.type) >= only_in_2023(0)) {
      encoder.fail(
          fmt::format("{}: GGUF has no type {}, which is one of files of 2023: make a GGUF file of it first, "
                      "with `assay convert`",
                      what, tensor_type_info(tensor.type).name));
    }
    encoder.string(tensor.name, kGgufMaxNameBytes, what);
    encoder.number(static_cast<uint32_t>(tensor.ne.size()));
    for (const uint64_t n : tensor.ne) {
      encoder.number(n);
    }
    encoder.number(static_cast<uint32_t>(tensor.type));
    encoder.number(offset);
    // Below 2^63, so neither the padding nor one more sum overflows 2^64.
    if (__builtin_add_overflow(offset, align_up(sizes.back(), alignment), &offset) || offset > INT64_MAX) {
      encoder.fail(what + ": the tensors before it and it are over 2^63 bytes");
    }
  }
  return sizes;
}

}  // namespace

GgufWriter::GgufWriter(std::string path, std::span<const GgufKeyValue> metadata, std::vector<GgufTensorInfo> tensors)
    : path_(std::move(path)), tensors_(std::move(tensors)) {
  Encoder encoder(path_);
  if (metadata.size() > kGgufMaxKeys || tensors_.size() > kGgufMaxTensors) {
    encoder.fail(fmt::format("{} metadata keys and {} tensors are over the limits of {} and {}", metadata.size(),
                             tensors_.size(), kGgufMaxKeys, kGgufMaxTensors));
  }
  alignment_ = alignment_of(encoder, metadata);
  encoder.raw("GGUF");
  encoder.number(kGgufVersion);
  encoder.number<uint64_t>(tensors_.size());
  encoder.number<uint64_t>(metadata.size());
  put_metadata(encoder, metadata);
  sizes_ = put_tensors(encoder, tensors_, alignment_);

  file_.emplace(path_);
  put(encoder.bytes());
  pad();
}

void GgufWriter::put(std::span<const std::byte> data) {
  file_->write(data);
  offset_ += data.size();
}

void GgufWriter::pad() {
  // In pieces: an alignment may be 2 GiB.
  static constexpr std::array<std::byte, 4096> kZeros{};
  for (uint64_t left = align_up(offset_, alignment_) - offset_; left > 0;) {
    const auto n = std::min<uint64_t>(left, kZeros.size());
    put(std::span(kZeros).first(n));
    left -= n;
  }
}

void GgufWriter::write(std::span<const std::byte> data) {
  if (data.empty()) {
    return;
  }
  if (current_ == tensors_.size()) {
    throw InputError(fmt::format("{}: {} bytes after the data of the last tensor", path_, data.size()));
  }
  if (data.size() > sizes_[current_] - written_) {
    throw InputError(fmt::format("{}: tensor {} takes {} more bytes, not {}", path_, quote(tensors_[current_].name),
                                 sizes_[current_] - written_, data.size()));
  }
  put(data);
  written_ += data.size();
  if (written_ == sizes_[current_]) {
    pad();  // after the last tensor too: ggml's reader counts on it
    ++current_;
    written_ = 0;
  }
}

void GgufWriter::finish() {
  if (!file_) {
    throw InputError(path_ + ": finished twice");
  }
  if (current_ != tensors_.size()) {
    throw InputError(fmt::format("{}: tensor {} still needs {} bytes", path_, quote(tensors_[current_].name),
                                 sizes_[current_] - written_));
  }
  file_->commit();
  file_.reset();
}

void write_gguf(const std::string& path, std::span<const GgufKeyValue> metadata,
                const std::vector<GgufTensorInfo>& tensors, std::span<const std::span<const std::byte>> data) {
  if (data.size() != tensors.size()) {
    throw InputError(fmt::format("{}: {} tensors, but data of {}", path, tensors.size(), data.size()));
  }
  GgufWriter writer(path, metadata, tensors);
  for (size_t i = 0; i < data.size(); ++i) {
    const uint64_t size = tensor_bytes(tensors[i].type, tensors[i].ne);
    if (data[i].size() != size) {
      throw InputError(
          fmt::format("{}: tensor {} has {} bytes, not {}", path, quote(tensors[i].name), data[i].size(), size));
    }
    writer.write(data[i]);
  }
  writer.finish();
}

}  // namespace assay
