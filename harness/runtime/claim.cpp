#include "harness/runtime/claim.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <functional>
#include <nlohmann/json.hpp>
#include <ranges>

#include "harness/runtime/error.h"
#include "harness/runtime/plugin.h"
#include "harness/runtime/text.h"

namespace assay {
namespace {

constexpr size_t kLongestReason = 1000;
constexpr double kMostFactor = 1e6;
constexpr size_t kLargestPage = 4096;  // of alignment and over-read, in bytes
constexpr size_t kLargestSize = size_t{1} << 40, kLargestMultiple = size_t{1} << 12;
constexpr int kDeepestClaim = 4;

InputError bad(const std::string& why) { return InputError(fmt::format("its claim {}", why)); }

/// A whole number from 1 on.
size_t count(const nlohmann::json& value, const std::string& what, size_t most) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() == 0 || value.get<uint64_t>() > most) {
    throw bad(fmt::format("says {} for {}, which is no whole number in [1, {}]", value.dump(), what, most));
  }
  return value.get<size_t>();
}

std::map<std::string, size_t> sizes(const Kernel& kernel, const nlohmann::json& value, const std::string& what,
                                    size_t largest) {
  const auto dims = kernel.dims();
  if (!value.is_object() || value.empty()) {
    throw bad(fmt::format("says {} for {}: write it as {{\"{}\": 32}}", value.dump(), what, dims.front()));
  }
  std::map<std::string, size_t> all;
  for (const auto& [dim, size] : value.items()) {
    if (std::ranges::count(dims, dim) == 0) {
      throw bad(fmt::format("has '{}' in {}; the sizes of {} are: {}", dim, what, kernel.name, fmt::join(dims, ", ")));
    }
    all[dim] = count(size, fmt::format("{} of {}", what, dim), largest);
  }
  return all;
}

void expect_false(const nlohmann::json& value, const std::string& what) {
  if (value != false) {
    throw bad(fmt::format("says {} for {}: only false can be claimed", value.dump(), what));
  }
}

using Reader = std::function<void(Claim&, const Kernel&, const nlohmann::json& value, const std::string& name)>;

/// What can be claimed.
const std::map<std::string, Reader>& readers() {
  static const std::map<std::string, Reader> all = {
      {"bound_factor",
       [](Claim& c, const Kernel&, const nlohmann::json& value, const std::string& name) {
         if (!value.is_number() || !(value.get<double>() > 1 && value.get<double>() <= kMostFactor)) {
           throw bad(
               fmt::format("says {} for {}, which is no number over 1 up to {}", value.dump(), name, kMostFactor));
         }
         c.bound_factor = value.get<double>();
       }},
      {"exclude",
       [](Claim& c, const Kernel&, const nlohmann::json& value, const std::string& name) {
         if (!value.is_array() || value.empty() ||
             !std::ranges::all_of(value, [](const auto& one) { return one.is_string(); })) {
           throw bad(fmt::format("says {} for {}, which is no list of classes of inputs", value.dump(), name));
         }
         c.exclude = value.get<std::set<std::string>>();
       }},
      {"multiple_of", [](Claim& c, const Kernel& k, const nlohmann::json& value,
                         const std::string& name) { c.multiple_of = sizes(k, value, name, kLargestMultiple); }},
      {"most", [](Claim& c, const Kernel& k, const nlohmann::json& value,
                  const std::string& name) { c.most = sizes(k, value, name, kLargestSize); }},
      {"align",
       [](Claim& c, const Kernel&, const nlohmann::json& value, const std::string& name) {
         c.align = count(value, name, kLargestPage);
         if (!std::has_single_bit(c.align)) {
           throw bad(fmt::format("says {} for {}, which is no power of two", value.dump(), name));
         }
       }},
      {"over_read", [](Claim& c, const Kernel&, const nlohmann::json& value,
                       const std::string& name) { c.over_read = count(value, name, kLargestPage); }},
      {"alias",
       [](Claim& c, const Kernel&, const nlohmann::json& value, const std::string& name) {
         expect_false(value, name);
         c.alias = false;
       }},
      {"exact_blocks",
       [](Claim& c, const Kernel& k, const nlohmann::json& value, const std::string& name) {
         expect_false(value, name);
         if (k.contract->weights == nullptr || k.contract->activations == std::string_view("f32")) {
           throw bad(fmt::format("has {}, and {} multiplies no blocks of integers", name, k.name));
         }
         c.exact_blocks = false;
       }},
      {"reentrant",
       [](Claim& c, const Kernel&, const nlohmann::json& value, const std::string& name) {
         expect_false(value, name);
         c.reentrant = false;
       }},
  };
  return all;
}

}  // namespace

bool Claim::allows(const Kernel& kernel, const Shape& shape) const {
  const auto dims = kernel.dims();
  for (size_t i = 0; i < dims.size(); ++i) {
    const auto unit = multiple_of.find(dims[i]);
    const auto largest = most.find(dims[i]);
    if ((unit != multiple_of.end() && shape[i] % unit->second != 0) ||
        (largest != most.end() && shape[i] > largest->second)) {
      return false;
    }
  }
  return true;
}

Shape Claim::fit(const Kernel& kernel, Shape shape) const {
  const auto dims = kernel.dims();
  for (size_t i = 0; i < dims.size(); ++i) {
    if (const auto largest = most.find(dims[i]); largest != most.end()) {
      shape[i] = std::min(shape[i], largest->second);
    }
    if (const auto unit = multiple_of.find(dims[i]); unit != multiple_of.end()) {
      shape[i] = std::max(shape[i] / unit->second, size_t{1}) * unit->second;
    }
  }
  return shape;
}

Claim Claim::without(const std::string& item) const {
  const Claim none;
  Claim rest = *this;
  rest.because.erase(item);
  const auto reset = [&](const char* name, auto Claim::*member) {
    if (item == name) {
      rest.*member = none.*member;
    }
  };
  reset("bound_factor", &Claim::bound_factor);
  reset("exclude", &Claim::exclude);
  reset("multiple_of", &Claim::multiple_of);
  reset("most", &Claim::most);
  reset("align", &Claim::align);
  reset("over_read", &Claim::over_read);
  reset("alias", &Claim::alias);
  reset("exact_blocks", &Claim::exact_blocks);
  reset("reentrant", &Claim::reentrant);
  return rest;
}

bool Claim::fits_the_runner() const { return align <= alignof(float) && over_read == 0 && alias && reentrant; }

Claim parse_claim(const Kernel& kernel, std::string_view json) {
  Claim claim;
  try {
    nlohmann::json all;
    try {
      all = parse_json(json, kDeepestClaim);
    } catch (const InputError& e) {
      throw bad(e.what());
    }
    if (!all.is_object() || all.empty()) {
      throw bad("is no JSON object that says something");
    }
    for (const auto& [name, item] : all.items()) {
      const auto reader = readers().find(name);
      if (reader == readers().end()) {
        throw bad(fmt::format("has '{}', which cannot be claimed; what can: {}", one_line(name, 100),
                              fmt::join(std::views::keys(readers()), ", ")));
      }
      if (!item.is_object() || item.size() != 2 || !item.contains("value") || !item.contains("because") ||
          !item.at("because").is_string() || item.at("because").get_ref<const std::string&>().empty()) {
        throw bad(
            fmt::format("gives no value with a reason for '{0}': write {{\"{0}\": {{\"value\": ..., "
                        "\"because\": \"...\"}}}}",
                        name));
      }
      reader->second(claim, kernel, item.at("value"), name);
      claim.because[name] = one_line(item.at("because").get<std::string>(), kLongestReason);
    }
  } catch (const nlohmann::json::exception& e) {
    throw bad(fmt::format("is no JSON: {}", one_line(e.what(), 300)));
  }
  return claim;
}

const Claim* claim_of(const Variant& variant) {
  return variant.foreign && variant.foreign->claim ? &*variant.foreign->claim : nullptr;
}

}  // namespace assay
