#include "harness/runtime/registry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <mutex>

#include "harness/runtime/cpu.h"
#include "harness/runtime/error.h"
#include "harness/runtime/plugin.h"

namespace assay {
namespace {

/// Place in isa_names(). Throws InputError for an unknown ISA.
std::ptrdiff_t rank(const Variant& variant) {
  const auto it = std::ranges::find(isa_names(), variant.isa);
  if (it == isa_names().end()) {
    throw InputError(
        fmt::format("{}: '{}' is no ISA; they are: {}", variant.name(), variant.isa, fmt::join(isa_names(), ", ")));
  }
  return it - isa_names().begin();
}

/// Of "[2048,4]". Throws InputError.
std::vector<size_t> parameters_from(std::string_view text) {
  std::vector<size_t> values;
  const char* p = text.data();
  const char* const end = p + text.size();
  while (p != end && *p != ']') {  // at '[' or ','
    size_t& value = values.emplace_back();
    const auto [next, error] = std::from_chars(p + 1, end, value);
    if (error != std::errc() || next == end || (*next != ',' && *next != ']')) {
      break;
    }
    p = next;
  }
  if (p == end || *p != ']' || p + 1 != end) {
    throw InputError(fmt::format("'{}' are no parameters; write them as [2048,4]", text));
  }
  return values;
}

}  // namespace

std::string Variant::usual_label() const {
  if (foreign) {
    return fmt::format("{}:{}{}", foreign->library->name, nickname, defect.empty() ? "" : "!" + defect);
  }
  return isa + (nickname.empty() ? "" : "-" + nickname) + (defect.empty() ? "" : "!" + defect);
}

std::string Variant::label() const {
  return parameters.empty() ? usual_label() : fmt::format("{}[{}]", usual_label(), fmt::join(parameters, ","));
}

std::string_view without_parameters(std::string_view label) { return label.substr(0, label.find('[')); }

std::string layout_of(const Variant& variant) { return variant.layout.empty() ? variant.label() : variant.layout; }

const Variant* Kernel::find(std::string_view label) const {
  const auto it = std::ranges::find(variants, label, &Variant::label);
  return it == variants.end() ? nullptr : &*it;
}

std::vector<std::string> Kernel::dims() const {
  std::vector<std::string> names;
  for (const char* const* dim = contract->dims; *dim != nullptr; ++dim) {
    names.emplace_back(*dim);
  }
  return names;
}

std::string Kernel::text_of(const Shape& shape) const {
  const auto names = dims();
  std::string text;
  for (size_t i = 0; i < names.size(); ++i) {
    text += fmt::format("{}{}={}", i == 0 ? "" : " ", names[i], shape[i]);
  }
  return text;
}

std::string Kernel::text_of_parameters(const std::vector<size_t>& parameters) const {
  std::string text;
  for (size_t i = 0; i < parameters.size(); ++i) {
    text += fmt::format("{}{}={}", i == 0 ? "" : " ", contract->parameters[i].name, parameters[i]);
  }
  return text;
}

Key Kernel::key(const Shape& shape, const std::vector<size_t>& parameters) const {
  Key key;
  for (const char* const* dim = contract->key; *dim != nullptr; ++dim) {
    size_t i = 0;
    while (std::string_view(contract->dims[i]) != *dim) {
      ++i;
    }
    key.push_back(shape.at(i));
  }
  for (size_t i = 0; contract->parameters[i].name != nullptr; ++i) {
    key.push_back(parameters.empty() ? contract->parameters[i].value : parameters.at(i));
  }
  return key;
}

size_t Kernel::scratch_bytes(const Shape& shape) const {
  return contract->scratch_bytes == nullptr ? 0 : contract->scratch_bytes(shape.data());
}

Registry::Registry(std::vector<Kernel> kernels) : kernels_(std::move(kernels)) {
  std::ranges::sort(kernels_, {}, &Kernel::name);
  for (auto& kernel : kernels_) {
    std::ranges::stable_sort(kernel.variants, {}, rank);
  }
}

void Registry::add(Variant variant) {
  auto& kernel = const_cast<Kernel&>(find_kernel(variant.kernel));
  if (kernel.find(variant.label()) != nullptr) {
    throw InputError(fmt::format("there are two variants {}: give one another label", variant.name()));
  }
  const auto behind = std::ranges::upper_bound(kernel.variants, rank(variant), {}, rank);
  kernel.variants.insert(behind, std::move(variant));
}

const Kernel& Registry::find_kernel(std::string_view name) const {
  const auto it = std::ranges::find(kernels_, name, &Kernel::name);
  if (it == kernels_.end()) {
    std::vector<std::string> names;
    for (const auto& k : kernels_) {
      names.push_back(k.name);
    }
    throw InputError(fmt::format("unknown kernel '{}'; the kernels are: {}", name, fmt::join(names, ", ")));
  }
  return *it;
}

Registry& registry() {
  static Registry all(generated_kernels());
  return all;
}

const std::vector<Kernel>& kernels() { return registry().kernels(); }

const Kernel& find_kernel(std::string_view name) { return registry().find_kernel(name); }

const Variant& find_variant(std::string_view name) {
  const size_t slash = name.find('/');
  if (slash == std::string_view::npos) {
    throw InputError(fmt::format("'{}' names no variant; write kernel/label, for example dot_f32/avx2", name));
  }
  const Kernel& kernel = find_kernel(name.substr(0, slash));
  const std::string_view label = name.substr(slash + 1);
  const std::string_view usual = without_parameters(label);
  if (const Variant* v = kernel.find(usual); v != nullptr) {
    return usual == label ? *v : with_parameters(*v, parameters_from(label.substr(usual.size())));
  }
  std::vector<std::string> names;
  for (const auto& v : kernel.variants) {
    names.push_back(v.label());
  }
  throw InputError(
      fmt::format("kernel {} has no variant '{}'; it has: {}", kernel.name, label, fmt::join(names, ", ")));
}

const Variant& with_parameters(const Variant& variant, const std::vector<size_t>& parameters) {
  if (parameters.empty()) {
    return variant;
  }
  std::string wanted;  // what the contract has
  bool known = variant.jit;
  size_t count = 0;
  for (; variant.jit && find_kernel(variant.kernel).contract->parameters[count].name != nullptr; ++count) {
    const assay_parameter& p = find_kernel(variant.kernel).contract->parameters[count];
    std::vector<size_t> values(p.others, p.others + p.n_others);
    values.push_back(p.value);
    std::ranges::sort(values);
    known = known && count < parameters.size() && std::ranges::count(values, parameters[count]) != 0;
    wanted += fmt::format("{}{} of {}", count == 0 ? "" : ", ", p.name, fmt::join(values, " "));
  }
  if (!known || count != parameters.size()) {
    throw InputError(fmt::format("{}[{}]: {}", variant.name(), fmt::join(parameters, ","),
                                 wanted.empty() ? "it takes no parameters" : "its parameters are " + wanted));
  }
  static std::mutex mutex;
  static std::map<std::string, Variant> all;
  Variant with = variant;
  with.parameters = parameters;
  const std::scoped_lock lock(mutex);
  return all.try_emplace(with.name(), with).first->second;
}

bool glob_match(const std::string& pattern, const std::string& name) {
  for (size_t begin = 0; begin <= pattern.size();) {
    const size_t end = std::min(pattern.find(',', begin), pattern.size());
    if (fnmatch(pattern.substr(begin, end - begin).c_str(), name.c_str(), 0) == 0) {
      return true;
    }
    begin = end + 1;
  }
  return false;
}

bool glob_match(const std::string& pattern, const Variant& variant) {
  return (variant.defect.empty() || pattern.find('!') != std::string::npos) && glob_match(pattern, variant.label());
}

}  // namespace assay
