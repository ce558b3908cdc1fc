#pragma once
// Builds GGUF files byte by byte, right or wrong; only tests include it.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

/// A byte as GPT-2's vocabulary writes it, worked out apart from the tokenizer.
inline std::string gpt2_spelling(int byte) {
  const int code = byte <= 0x20                   ? 0x100 + byte
                   : byte >= 0x7f && byte <= 0xa0 ? 0x121 + (byte - 0x7f)
                   : byte == 0xad                 ? 0x143
                                                  : byte;
  if (code < 0x80) {
    return {static_cast<char>(code)};
  }
  return {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 0x3f))};
}

struct RawGguf {
  using Bytes = std::vector<std::byte>;

  /// Where a number stands, so that a test can set it to something else.
  struct Field {
    size_t offset, width;
  };

  Bytes bytes;
  std::vector<Field> fields;

  template <class T>
  RawGguf& num(T value) {
    fields.push_back({bytes.size(), sizeof value});
    const auto* p = reinterpret_cast<const std::byte*>(&value);
    bytes.insert(bytes.end(), p, p + sizeof value);
    return *this;
  }
  RawGguf& text(std::string_view s) {
    for (const char c : s) {
      bytes.push_back(static_cast<std::byte>(c));
    }
    return *this;
  }
  RawGguf& str(std::string_view s) { return num<uint64_t>(s.size()).text(s); }
  RawGguf& header(uint64_t tensors, uint64_t keys) { return text("GGUF").num<uint32_t>(3).num(tensors).num(keys); }
  RawGguf& tensor(std::string_view name, std::vector<uint64_t> ne, uint32_t type, uint64_t offset) {
    str(name).num(static_cast<uint32_t>(ne.size()));
    for (const uint64_t n : ne) {
      num(n);
    }
    return num(type).num(offset);
  }
  RawGguf& data(size_t n) {
    bytes.resize((bytes.size() + 31) / 32 * 32);
    bytes.resize(bytes.size() + n);
    return *this;
  }

  /// A copy with one number changed to the low bytes of `value`.
  Bytes with(const Field& field, uint64_t value) const {
    Bytes changed = bytes;
    std::memcpy(changed.data() + field.offset, &value, field.width);
    return changed;
  }
};

}  // namespace assay
