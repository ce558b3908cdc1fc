#include <fmt/format.h>

#include <cfloat>
#include <cmath>
#include <type_traits>

#include "harness/runtime/error.h"
#include "runner/gguf.h"

namespace assay {
namespace {

// In the order of the alternatives of GgufValue and GgufArray.
constexpr std::array<const char*, 13> kValueTypes{"uint8", "int8",   "uint16", "int16",  "uint32", "int32",  "float32",
                                                  "bool",  "string", "array",  "uint64", "int64",  "float64"};

std::string describe(const GgufValue& value) {
  return std::visit(
      [&](const auto& v) -> std::string {
        using V = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<V, std::string>) {
          return "string " + quote(v);
        } else if constexpr (std::is_same_v<V, GgufArray>) {
          return fmt::format("an array of {}", kValueTypes.at(v.index()));
        } else {
          return fmt::format("{} {}", kValueTypes.at(value.index()), v);
        }
      },
      value);
}

/// `from` as T if it is a number of T's kind that T can hold.
template <class T, class From>
std::optional<T> to_number(const From& from) {
  if constexpr (std::is_same_v<T, bool> || std::is_same_v<From, bool>) {
    if constexpr (std::is_same_v<T, From>) {
      return from;
    }
  } else if constexpr (std::is_integral_v<T> && std::is_integral_v<From>) {
    if (std::in_range<T>(from)) {
      return static_cast<T>(from);
    }
  } else if constexpr (std::is_floating_point_v<T> && std::is_floating_point_v<From>) {
    // A double past float's range would become infinite; an infinity or a NaN is itself in both.
    if (!std::isfinite(from) || std::fabs(from) <= static_cast<From>(FLT_MAX)) {
      return static_cast<T>(from);
    }
  }
  return std::nullopt;
}

}  // namespace

void GgufFile::missing_key(std::string_view key) const {
  throw InputError(fmt::format("{}: metadata key {} is missing; give a model of a known architecture or re-convert it",
                               path_, quote(key)));
}

void GgufFile::wrong_value(std::string_view key, std::string_view wanted) const {
  throw InputError(fmt::format("{}: metadata key {}: is {}, not {}; re-convert the model", path_, quote(key),
                               describe(*find(key)), wanted));
}

const GgufValue* GgufFile::find(std::string_view key) const {
  const auto it = key_index_.find(key);
  return it == key_index_.end() ? nullptr : &metadata_[it->second].value;
}

const Tensor* GgufFile::find_tensor(std::string_view name) const {
  const auto it = tensor_index_.find(name);
  return it == tensor_index_.end() ? nullptr : &tensors_[it->second];
}

const Tensor& GgufFile::tensor(std::string_view name) const {
  const Tensor* found = find_tensor(name);
  if (found == nullptr) {
    throw InputError(
        fmt::format("{}: tensor {} is missing; give a model of a known architecture or re-convert "
                    "it",
                    path_, quote(name)));
  }
  return *found;
}

/// `found`, a pointer or an optional, unless it is empty.
template <class Found>
Found GgufFile::present(std::string_view key, Found found) const {
  if (!found) {
    missing_key(key);
  }
  return found;
}

template <class T>
std::optional<T> GgufFile::find_number(std::string_view key, std::string_view wanted) const {
  const GgufValue* value = find(key);
  if (value == nullptr) {
    return std::nullopt;
  }
  auto number = std::visit([](const auto& v) { return to_number<T>(v); }, *value);
  if (!number) {
    wrong_value(key, wanted);
  }
  return number;
}

template <class T>
std::optional<std::vector<T>> GgufFile::find_numbers(std::string_view key, std::string_view wanted) const {
  const GgufValue* value = find(key);
  if (value == nullptr) {
    return std::nullopt;
  }
  const auto* array = std::get_if<GgufArray>(value);
  if (array == nullptr) {
    wrong_value(key, wanted);
  }
  return std::visit(
      [&](const auto& from) {
        std::vector<T> numbers;
        if constexpr (std::is_same_v<std::decay_t<decltype(from)>, std::monostate>) {
          wrong_value(key, wanted);
        } else {
          using From = typename std::decay_t<decltype(from)>::value_type;
          numbers.reserve(from.size());
          for (size_t i = 0; i < from.size(); ++i) {
            const auto number = to_number<T, From>(from[i]);
            if (!number) {
              wrong_value(key, fmt::format("{} (element {})", wanted, i));
            }
            numbers.push_back(*number);
          }
        }
        return numbers;
      },
      *array);
}

std::optional<uint32_t> GgufFile::find_u32(std::string_view key) const {
  return find_number<uint32_t>(key, "an integer in [0, 2^32)");
}

std::optional<uint64_t> GgufFile::find_u64(std::string_view key) const {
  return find_number<uint64_t>(key, "an integer in [0, 2^64)");
}

std::optional<int32_t> GgufFile::find_i32(std::string_view key) const {
  return find_number<int32_t>(key, "an integer in [-2^31, 2^31)");
}

std::optional<float> GgufFile::find_f32(std::string_view key) const {
  return find_number<float>(key, "a number in float's range");
}

std::optional<bool> GgufFile::find_boolean(std::string_view key) const { return find_number<bool>(key, "a boolean"); }

const std::string* GgufFile::find_string(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value != nullptr && !std::holds_alternative<std::string>(*value)) {
    wrong_value(key, "a string");
  }
  return value == nullptr ? nullptr : &std::get<std::string>(*value);
}

const std::vector<std::string>* GgufFile::find_strings(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) {
    return nullptr;
  }
  const auto* array = std::get_if<GgufArray>(value);
  const auto* found = array == nullptr ? nullptr : std::get_if<std::vector<std::string>>(array);
  if (found == nullptr) {
    wrong_value(key, "an array of strings");
  }
  return found;
}

std::optional<std::vector<int32_t>> GgufFile::find_i32s(std::string_view key) const {
  return find_numbers<int32_t>(key, "an array of integers in [-2^31, 2^31)");
}

std::optional<std::vector<float>> GgufFile::find_f32s(std::string_view key) const {
  return find_numbers<float>(key, "an array of numbers in float's range");
}

uint32_t GgufFile::u32(std::string_view key) const { return *present(key, find_u32(key)); }

uint64_t GgufFile::u64(std::string_view key) const { return *present(key, find_u64(key)); }

int32_t GgufFile::i32(std::string_view key) const { return *present(key, find_i32(key)); }

float GgufFile::f32(std::string_view key) const { return *present(key, find_f32(key)); }

bool GgufFile::boolean(std::string_view key) const { return *present(key, find_boolean(key)); }

const std::string& GgufFile::string(std::string_view key) const { return *present(key, find_string(key)); }

const std::vector<std::string>& GgufFile::strings(std::string_view key) const {
  return *present(key, find_strings(key));
}

std::vector<int32_t> GgufFile::i32s(std::string_view key) const { return *present(key, find_i32s(key)); }

std::vector<float> GgufFile::f32s(std::string_view key) const { return *present(key, find_f32s(key)); }

}  // namespace assay
