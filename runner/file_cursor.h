#pragma once
#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "harness/runtime/error.h"

namespace assay {

/// What to do about a file that is cut off or has numbers that cannot be.
inline constexpr const char* kDamagedFile = "re-download or re-convert the model";

/// Reads forward through the bytes of a file; every step is checked against the bytes left. `path` must outlive it.
class FileCursor {
 public:
  FileCursor(const std::string& path, std::span<const std::byte> bytes, const char* bound = "file")
      : path_(path), bytes_(bytes), bound_(bound) {}

  uint64_t offset() const { return offset_; }
  uint64_t left() const { return bytes_.size() - offset_; }
  const char* bound() const { return bound_; }

  [[noreturn]] void fail(uint64_t at, std::string_view what, std::string_view problem,
                         const char* remedy = kDamagedFile) const {
    throw InputError(fmt::format("{}: byte {}: {}: {}; {}", path_, at, what, problem, remedy));
  }

  std::span<const std::byte> take(uint64_t n, std::string_view what) {
    if (n > left()) {
      fail(offset_, what, fmt::format("needs {} bytes, but {} are left in the {}", n, left(), bound_));
    }
    const auto taken = bytes_.subspan(offset_, n);
    offset_ += n;
    return taken;
  }

  template <class T>
  T number(std::string_view what) {
    T value;
    std::memcpy(&value, take(sizeof value, what).data(), sizeof value);
    return value;
  }

 private:
  const std::string& path_;
  std::span<const std::byte> bytes_;
  const char* bound_;  ///< what ends where the bytes end
  uint64_t offset_ = 0;
};

}  // namespace assay
