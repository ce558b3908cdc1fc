#include "harness/registry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>

#include <algorithm>

#include "harness/cpu.h"
#include "harness/error.h"

namespace assay {

const Variant* Kernel::find(std::string_view label) const {
  const auto it = std::ranges::find(variants, label, &Variant::label);
  return it == variants.end() ? nullptr : &*it;
}

const std::vector<Kernel>& kernels() {
  static const std::vector<Kernel> all = [] {
    auto list = generated_kernels();
    std::ranges::sort(list, {}, &Kernel::name);
    const auto rank = [](const Variant& v) { return std::ranges::find(isa_names(), v.isa) - isa_names().begin(); };
    for (auto& kernel : list) {
      std::ranges::stable_sort(kernel.variants, {}, rank);
    }
    return list;
  }();
  return all;
}

const Kernel& find_kernel(std::string_view name) {
  const auto it = std::ranges::find(kernels(), name, &Kernel::name);
  if (it == kernels().end()) {
    std::vector<std::string> names;
    for (const auto& k : kernels()) {
      names.push_back(k.name);
    }
    throw InputError(fmt::format("unknown kernel '{}'; the kernels are: {}", name, fmt::join(names, ", ")));
  }
  return *it;
}

const Variant& find_variant(std::string_view name) {
  const size_t slash = name.find('/');
  if (slash == std::string_view::npos) {
    throw InputError(fmt::format("'{}' names no variant; write kernel/isa, for example dot_f32/avx2", name));
  }
  const Kernel& kernel = find_kernel(name.substr(0, slash));
  if (const Variant* v = kernel.find(name.substr(slash + 1))) {
    return *v;
  }
  std::vector<std::string> names;
  for (const auto& v : kernel.variants) {
    names.push_back(v.label());
  }
  throw InputError(fmt::format("kernel {} has no variant '{}'; it has: {}", kernel.name, name.substr(slash + 1),
                               fmt::join(names, ", ")));
}

bool glob_match(const std::string& pattern, const std::string& name) {
  return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

bool glob_match(const std::string& pattern, const Variant& variant) {
  return (variant.defect.empty() || pattern.find('!') != std::string::npos) && glob_match(pattern, variant.label());
}

}  // namespace assay
