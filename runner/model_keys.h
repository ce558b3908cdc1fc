#pragma once
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "harness/runtime/error.h"
#include "harness/runtime/text.h"
#include "runner/gguf.h"

namespace assay {

/// The keys of a file that begin with the name of its architecture. What nobody asked for may change the results: see refuse_unknown.
class ModelKeys {
 public:
  explicit ModelKeys(const GgufFile& file) : file_(&file), prefix_(file.string("general.architecture") + ".") {}

  std::string name(std::string_view key) const { return prefix_ + std::string(key); }

  /// Of a key that may hold one value for each block, which are all the same.
  std::optional<size_t> find_size(std::string_view key) {
    const std::string name = asked(key);
    const auto* value = file_->find(name);
    if (value == nullptr || !std::holds_alternative<GgufArray>(*value)) {
      return file_->find_u32(name);
    }
    const std::vector<int32_t> of_blocks = *file_->find_i32s(name);
    if (of_blocks.empty() || of_blocks[0] < 0 || std::ranges::count(of_blocks, of_blocks[0]) != std::ssize(of_blocks)) {
      refuse(key, "differs from block to block", "the runner's blocks are all alike; give another model");
    }
    return of_blocks[0];
  }
  size_t size(std::string_view key) {
    const auto found = find_size(key);
    return checked(key, found ? *found : file_->u32(name(key)));  // which says that it is missing
  }
  size_t size_or(std::string_view key, size_t otherwise) {
    const auto found = find_size(key);
    return found ? checked(key, *found) : otherwise;
  }
  std::optional<float> find_number(std::string_view key) {
    const auto value = file_->find_f32(asked(key));
    if (value && (!std::isfinite(*value) || *value < 0)) {
      refuse(key, fmt::format("is {}", *value), "it must be finite and not negative; convert the model again");
    }
    return value;
  }
  float number_or(std::string_view key, float otherwise) { return find_number(key).value_or(otherwise); }
  float positive(std::string_view key) {
    const float value = file_->f32(asked(key));
    if (!std::isfinite(value) || value <= 0) {
      refuse(key, fmt::format("is {}", value), "it must be finite and over 0; convert the model again");
    }
    return value;
  }
  bool boolean_or(std::string_view key, bool otherwise) { return file_->find_boolean(asked(key)).value_or(otherwise); }
  std::string string_or(std::string_view key, const char* otherwise) {
    const std::string* const found = file_->find_string(asked(key));
    return found != nullptr ? *found : otherwise;
  }
  /// The key may be there, with what it is anyway.
  template <class T>
  void expect(std::string_view key, T found, T usual) {
    if (found != usual) {
      refuse(key, fmt::format("is {}", found),
             fmt::format("the runner's {} has {}; give another model", prefix_.substr(0, prefix_.size() - 1), usual));
    }
  }
  /// Whatever it says changes no result.
  void ignore(std::string_view key) { asked(key); }

  [[noreturn]] void refuse(std::string_view key, const std::string& what, const std::string& remedy) const {
    throw InputError(fmt::format("{}: {} {}; {}", file_->path(), name(key), what, remedy));
  }
  void refuse_unknown() const {
    for (const auto& [key, value] : file_->metadata()) {
      if (key.starts_with(prefix_) && !asked_.contains(key)) {
        throw InputError(
            fmt::format("{}: the runner does not know what {} changes; without it the answers might be wrong; "
                        "give another model",
                        file_->path(), quote(key)));
      }
    }
  }

 private:
  static constexpr size_t kLargestSize = 1u << 20;

  std::string asked(std::string_view key) {
    std::string full = name(key);
    asked_.insert(full);
    return full;
  }
  size_t checked(std::string_view key, size_t value) const {
    if (value == 0 || value > kLargestSize) {
      refuse(key, fmt::format("is {}", value), fmt::format("expected 1 to {}: convert the model again", kLargestSize));
    }
    return value;
  }

  const GgufFile* file_;
  std::string prefix_;
  std::set<std::string> asked_;
};

}  // namespace assay
