// VOLK's kernels on trial, each in all of its implementations: `assay check --plugin volk.so[:LIBRARY]`. Nothing of VOLK is built
// or included: what is declared here is the C interface that its volk.h has.
#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "assay/plugin.h"
#include "kernels/add_f32/kernel.h"
#include "kernels/dot_f32/kernel.h"
#include "kernels/mul_f32/kernel.h"
#include "kernels/scale_f32/kernel.h"

namespace {

// ---- VOLK's interface ----

struct FuncDesc {
  const char** impl_names;
  const int* impl_deps;
  const bool* impl_alignment;
  size_t n_impls;
};
using Describe = FuncDesc();
using Binary = void(float* z, const float* x, const float* y, unsigned n, const char* name);
using Dot = void(float* sum, const float* x, const float* y, unsigned n, const char* name);
using Scale = void(float* y, const float* x, float s, unsigned n, const char* name);

Binary *add, *multiply;
Dot* dot_prod;
Scale* scale;

/// The names of the implementations of one kernel, by which they are called.
constexpr size_t kMost = 24;
using Names = std::array<const char*, kMost>;
Names names_of_add, names_of_multiply, names_of_dot_prod, names_of_scale;

// ---- the kernels: VOLK counts in unsigned int ----

constexpr size_t kPart = size_t{1} << 31;

template <size_t I>
void run_add(float* z, const float* x, const float* y, size_t n) {
  for (size_t at = 0; at < n; at += kPart) {
    add(z + at, x + at, y + at, static_cast<unsigned>(std::min(kPart, n - at)), names_of_add[I]);
  }
}

template <size_t I>
void run_multiply(float* z, const float* x, const float* y, size_t n) {
  for (size_t at = 0; at < n; at += kPart) {
    multiply(z + at, x + at, y + at, static_cast<unsigned>(std::min(kPart, n - at)), names_of_multiply[I]);
  }
}

template <size_t I>
void run_scale(float* y, const float* x, float s, size_t n) {
  for (size_t at = 0; at < n; at += kPart) {
    scale(y + at, x + at, s, static_cast<unsigned>(std::min(kPart, n - at)), names_of_scale[I]);
  }
}

template <size_t I>
float run_dot_prod(const float* x, const float* y, size_t n) {
  float sum = 0;
  for (size_t at = 0; at < n; at += kPart) {
    float part = 0;
    dot_prod(&part, x + at, y + at, static_cast<unsigned>(std::min(kPart, n - at)), names_of_dot_prod[I]);
    sum += part;
  }
  return sum;
}

// ---- the table ----

std::vector<assay_variant> variants;
std::vector<std::string> texts;  // of claims

/// What code may execute that was compiled for a machine of VOLK's (gen/archs.xml, gen/machines.xml): all implementations are, also
/// those whose names say less.
const char* features_of(std::string_view machine) {
  struct Machine {
    std::string_view name;
    const char* features;
  };
  constexpr std::array kMachines = {
      Machine{"avx512cd", "v3,avx512f,avx512cd"},
      Machine{"avx512f", "v3,avx512f"},
      Machine{"avx2", "avx2,fma,popcnt"},
      Machine{"avx_", "avx,popcnt"},
      Machine{"sse4_2", "sse4_2,popcnt"},
      Machine{"sse4_1", "sse4_1"},
      Machine{"sse4_a", "sse3,popcnt"},
      Machine{"ssse3", "ssse3"},
      Machine{"sse3", "sse3"},
  };
  for (const Machine& m : kMachines) {
    if (machine.starts_with(m.name)) {
      return m.features;
    }
  }
  return nullptr;
}

/// How far the roundings of VOLK's dot products may be over the contract's ceil(n/16) + 7, which are those of 16 sums: the most on
/// the path of one product to the result, where n makes them most beside the contract's. From kernels/volk/volk_32f_x2_dot_prod_32f.h:
/// sums of whole rounds are joined, and then the elements behind the last round are added one by one.
struct Sums {
  std::string_view implementation;  // without "u_" or "a_"
  const char *factor, *because;
};
constexpr std::array kSums = {
    Sums{"generic", "16", "one running sum, so n roundings"},
    Sums{"sse", "2.45",
         "16 sums, 3 + 3 additions that join them, up to 15 elements more: 22 roundings at n = 31, not 9"},
    Sums{"sse3", "2.45",
         "16 sums, 3 + 3 additions that join them, up to 15 elements more: 22 roundings at n = 31, not 9"},
    Sums{"sse4_1", "2.34",
         "4 sums of DPPS, 3 additions that join them, up to 15 elements more: 21 roundings at n = 31, not 9"},
    Sums{"avx", "2.67",
         "16 sums, 1 + 7 additions that join them, up to 15 elements more: 24 roundings at n = 31, not 9"},
    Sums{"avx2_fma", "2", "8 sums, 7 additions that join them, up to 7 elements more: n/8 + 14 roundings at most"},
    Sums{"avx512f", "3.45",
         "16 sums, 15 additions that join them, up to 15 elements more: 31 roundings at n = 31, not 9"},
};

/// JSON, or nullptr where an implementation keeps all of the contract. That ORC's code (u_orc) returns with subnormals flushed to
/// zero nobody can claim.
const char* claim_of(std::string_view kernel, std::string_view implementation, bool is_aligned) {
  const bool has_prefix = implementation.starts_with("u_") || implementation.starts_with("a_");
  const std::string_view isa = has_prefix ? implementation.substr(2) : implementation;
  std::string items;
  for (const Sums& sums : kSums) {
    if (kernel == "dot_f32" && isa == sums.implementation) {
      items += std::string(R"("bound_factor": {"value": )") + sums.factor + R"(, "because": ")" + sums.because + "\"}";
    }
  }
  if (is_aligned && isa != "generic") {
    const char* const bytes = isa.starts_with("avx512") ? "64" : isa.starts_with("avx") ? "32" : "16";
    items +=
        std::string(items.empty() ? "" : ", ") + R"("align": {"value": )" + bytes +
        R"(, "because": "an implementation for buffers of volk_malloc, which loads and stores whole aligned vectors"})";
  }
  if (items.empty()) {
    return nullptr;
  }
  texts.push_back("{" + items + "}");
  return texts.back().c_str();
}

template <class R, class... A>
assay_any_fn any(R (*f)(A...)) {
  return reinterpret_cast<assay_any_fn>(f);
}

template <class R>
struct Kernel {
  const char* name;
  unsigned contract;
  const char* symbol;
  Names& names;
  std::array<R*, kMost> runs;
};

/// Takes a kernel's implementations from <symbol>_get_func_desc; <symbol>_manual calls them.
template <class Manual, class R>
bool add_kernel(void* library, const Kernel<R>& kernel, Manual*& manual, const char* features) {
  const std::string symbol = kernel.symbol;
  manual = reinterpret_cast<Manual*>(dlsym(library, (symbol + "_manual").c_str()));
  auto* const describe = reinterpret_cast<Describe*>(dlsym(library, (symbol + "_get_func_desc").c_str()));
  if (manual == nullptr || describe == nullptr) {
    std::fprintf(stderr, "volk: the library has no %s_manual or %s_get_func_desc\n", kernel.symbol, kernel.symbol);
    return false;
  }
  const FuncDesc desc = describe();
  for (size_t i = 0; i < std::min(desc.n_impls, kMost); ++i) {
    kernel.names[i] = desc.impl_names[i];
    const char* const claim = claim_of(kernel.name, desc.impl_names[i], desc.impl_alignment[i]);
    variants.push_back({kernel.name, desc.impl_names[i], kernel.contract, features, any(kernel.runs[i]), nullptr,
                        nullptr, 0, claim, nullptr});
  }
  return true;
}

template <size_t... I>
bool add_kernels(void* library, const char* features, std::index_sequence<I...>) {
  return add_kernel(library, Kernel<add_f32_fn>{"add_f32", 1, "volk_32f_x2_add_32f", names_of_add, {run_add<I>...}},
                    add, features) &&
         add_kernel(
             library,
             Kernel<mul_f32_fn>{"mul_f32", 1, "volk_32f_x2_multiply_32f", names_of_multiply, {run_multiply<I>...}},
             multiply, features) &&
         add_kernel(
             library,
             Kernel<dot_f32_fn>{"dot_f32", 2, "volk_32f_x2_dot_prod_32f", names_of_dot_prod, {run_dot_prod<I>...}},
             dot_prod, features) &&
         add_kernel(
             library,
             Kernel<scale_f32_fn>{"scale_f32", 1, "volk_32f_s32f_multiply_32f", names_of_scale, {run_scale<I>...}},
             scale, features);
}

}  // namespace

extern "C" const assay_plugin* assay_plugin_v1(const char* argument) {
  void* const library = dlopen(*argument != 0 ? argument : "libvolk.so.2.5", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    std::fprintf(stderr, "volk: %s\n", dlerror());
    return nullptr;
  }
  auto* const machine = reinterpret_cast<const char* (*)()>(dlsym(library, "volk_get_machine"));
  if (machine == nullptr) {
    std::fprintf(stderr, "volk: the library has no volk_get_machine\n");
    return nullptr;
  }
  texts.reserve(4 * kMost);
  if (!add_kernels(library, features_of(machine()), std::make_index_sequence<kMost>())) {
    return nullptr;
  }
  Dl_info file, orc;
  if (dladdr(reinterpret_cast<void*>(machine), &file) == 0) {
    std::fprintf(stderr, "volk: no file has volk_get_machine\n");
    return nullptr;
  }
  const bool has_orc = dladdr(dlsym(library, "orc_init"), &orc) != 0;
  static const char* const files[] = {file.dli_fname, has_orc ? orc.dli_fname : nullptr, nullptr};
  static const assay_plugin plugin = {assay_plugin_abi,   sizeof plugin,   "volk",          "2.5",
                                      "GPL-3.0-or-later", variants.data(), variants.size(), files};
  return &plugin;
}
