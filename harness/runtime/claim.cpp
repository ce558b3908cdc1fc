#include "harness/runtime/claim.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <iterator>
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

/// "n a multiple of 32, m a multiple of 2".
std::string text_of_sizes(const std::map<std::string, size_t>& of, const char* how) {
  std::vector<std::string> list;
  for (const auto& [dim, size] : of) {
    list.push_back(fmt::format("{} {} {}", dim, how, size));
  }
  return fmt::format("{}", fmt::join(list, ", "));
}

void read_bound_factor(Claim& c, const Kernel&, const nlohmann::json& value, const std::string& name) {
  if (!value.is_number() || !(value.get<double>() > 1 && value.get<double>() <= kMostFactor)) {
    throw bad(fmt::format("says {} for {}, which is no number over 1 up to {}", value.dump(), name, kMostFactor));
  }
  c.bound_factor = value.get<double>();
}

void read_exclude(Claim& c, const Kernel&, const nlohmann::json& value, const std::string& name) {
  if (!value.is_array() || value.empty() ||
      !std::ranges::all_of(value, [](const auto& one) { return one.is_string(); })) {
    throw bad(fmt::format("says {} for {}, which is no list of classes of inputs", value.dump(), name));
  }
  c.exclude = value.get<std::set<std::string>>();
}

void read_multiple_of(Claim& c, const Kernel& k, const nlohmann::json& value, const std::string& name) {
  c.multiple_of = sizes(k, value, name, kLargestMultiple);
}

void read_most(Claim& c, const Kernel& k, const nlohmann::json& value, const std::string& name) {
  c.most = sizes(k, value, name, kLargestSize);
}

void read_align(Claim& c, const Kernel&, const nlohmann::json& value, const std::string& name) {
  c.align = count(value, name, kLargestPage);
  if (!std::has_single_bit(c.align)) {
    throw bad(fmt::format("says {} for {}, which is no power of two", value.dump(), name));
  }
}

void read_over_read(Claim& c, const Kernel&, const nlohmann::json& value, const std::string& name) {
  c.over_read = count(value, name, kLargestPage);
}

void read_exact_blocks(Claim& c, const Kernel& k, const nlohmann::json& value, const std::string& name) {
  expect_false(value, name);
  if (k.contract->weights == nullptr || k.contract->activations == std::string_view("f32")) {
    throw bad(fmt::format("has {}, and {} multiplies no blocks of integers", name, k.name));
  }
  c.exact_blocks = false;
}

template <auto kMember>
void read_false(Claim& c, const Kernel&, const nlohmann::json& value, const std::string& name) {
  expect_false(value, name);
  c.*kMember = false;
}

template <auto kMember>
void reset(Claim& c) {
  c.*kMember = Claim().*kMember;
}

/// One thing that can be claimed. All that is known of it stands here, but for what heeds it.
struct Item {
  const char* name;
  bool of_errors;  ///< Claim::is_of_errors
  void (*read)(Claim&, const Kernel&, const nlohmann::json& value, const std::string& name);
  void (*reset)(Claim&);  ///< as if it were not claimed
  std::string (*text)(const Claim&, double worst);
};

const Item kItems[] = {
    {"alias", false, read_false<&Claim::alias>, reset<&Claim::alias>,
     [](const Claim&, double) -> std::string { return "no output overlaps an input"; }},
    {"align", false, read_align, reset<&Claim::align>,
     [](const Claim& c, double) { return fmt::format("buffers aligned to {} bytes", c.align); }},
    {"bound_factor", true, read_bound_factor, reset<&Claim::bound_factor>,
     [](const Claim& c, double worst) {
       return fmt::format("errors up to {:g} x the bound, of which it took {:.3g}", c.bound_factor, worst);
     }},
    {"exact_blocks", true, read_exact_blocks, reset<&Claim::exact_blocks>,
     [](const Claim&, double worst) {
       return fmt::format("errors within the bound of the magnitudes of all products, of which it took {:.3g}", worst);
     }},
    {"exclude", false, read_exclude, reset<&Claim::exclude>,
     [](const Claim& c, double) { return fmt::format("not tried: {}", fmt::join(c.exclude, ", ")); }},
    {"most", false, read_most, reset<&Claim::most>,
     [](const Claim& c, double) { return text_of_sizes(c.most, "at most"); }},
    {"multiple_of", false, read_multiple_of, reset<&Claim::multiple_of>,
     [](const Claim& c, double) { return text_of_sizes(c.multiple_of, "a multiple of"); }},
    {"over_read", false, read_over_read, reset<&Claim::over_read>,
     [](const Claim& c, double) { return fmt::format("{} bytes behind inputs are readable", c.over_read); }},
    {"reentrant", false, read_false<&Claim::reentrant>, reset<&Claim::reentrant>,
     [](const Claim&, double) -> std::string { return "one call at a time"; }},
};

/// Throws InputError for what cannot be claimed.
const Item& item_of(const std::string& name) {
  const auto* const found = std::ranges::find(kItems, std::string_view(name), &Item::name);
  if (found == std::end(kItems)) {
    throw bad(fmt::format("has {}, which cannot be claimed; what can: {}", quote(name),
                          fmt::join(std::views::transform(kItems, &Item::name), ", ")));
  }
  return *found;
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

Claim Claim::without(const std::string& name) const {
  Claim rest = *this;
  rest.because.erase(name);
  item_of(name).reset(rest);
  return rest;
}

bool Claim::is_of_errors(const std::string& name) { return item_of(name).of_errors; }

std::string Claim::text_of(const std::string& name, double worst) const { return item_of(name).text(*this, worst); }

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
      const Item& known = item_of(name);
      if (!item.is_object() || item.size() != 2 || !item.contains("value") || !item.contains("because") ||
          !item.at("because").is_string() || item.at("because").get_ref<const std::string&>().empty()) {
        throw bad(
            fmt::format("gives no value with a reason for '{0}': write {{\"{0}\": {{\"value\": ..., "
                        "\"because\": \"...\"}}}}",
                        name));
      }
      known.read(claim, kernel, item.at("value"), name);
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
