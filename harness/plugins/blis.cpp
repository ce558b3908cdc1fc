// BLIS on trial, its dot product and sgemm: `assay check --plugin blis.so[:CONFIGURATION[:LIBRARY]]`. A configuration is a CPU that the
// library was built for, "haswell"; it has one in a process: without a name the one that it chooses. Nothing of BLIS is built or
// included: what is declared here is the interface that its blis.h has (typed, with integers of 64 bits).
#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "assay/plugin.h"
#include "harness/plugins/products.h"
#include "harness/plugins/setting.h"
#include "kernels/dot_f32/kernel.h"

namespace {

// ---- BLIS's interface ----

using Dotv = void(int conjugate_x, int conjugate_y, int64_t n, const float* x, int64_t step_of_x, const float* y,
                  int64_t step_of_y, float* rho);
using Gemm = void(int transpose_a, int transpose_b, int64_t m, int64_t n, int64_t k, const float* alpha, const float* a,
                  int64_t row_step_of_a, int64_t column_step_of_a, const float* b, int64_t row_step_of_b,
                  int64_t column_step_of_b, const float* beta, float* c, int64_t row_step_of_c,
                  int64_t column_step_of_c);
constexpr int kNo = 0;

/// What a claim about the dot product says beside its roundings.
#define READS_ITS_TABLE                                                                                              \
  "\"reentrant\": {\"value\": false, \"because\": \"each call asks the library's table of kernels, which it has on " \
  "the heap, for its own\"}"
// The contract's ceil(n/16) + 7 are the roundings of 16 sums; here are as many on the path of one product to the result.
constexpr const char* kClaim = "{" READS_ITS_TABLE "}";
constexpr const char* kClaimOf32Sums =
    "{\"bound_factor\": {\"value\": 4, \"because\": \"32 sums, joined by 3 + 7 additions, and then up to 31 elements "
    "one by one: 43 roundings at n = 63, not 11 (kernels/zen/1/bli_dotv_zen_int.c)\"}, " READS_ITS_TABLE "}";
constexpr const char* kClaimOf8Sums =
    "{\"bound_factor\": {\"value\": 2, \"because\": \"the compiler's vectors of 8 sums: n/8 roundings "
    "(ref_kernels/1/bli_dotv_ref.c)\"}, " READS_ITS_TABLE "}";
constexpr const char* kClaimOf4Sums =
    "{\"bound_factor\": {\"value\": 4, \"because\": \"the compiler's vectors of 4 sums: n/4 roundings "
    "(ref_kernels/1/bli_dotv_ref.c)\"}, " READS_ITS_TABLE "}";

/// A configuration, what its code may execute (config/*/make_defs.mk; the framework around it is plain), and the dot product's claim.
struct Configuration {
  const char *name, *features, *claim;
};
constexpr std::array kConfigurations = {
    Configuration{"generic", nullptr, kClaimOf4Sums},
    Configuration{"penryn", "ssse3", kClaimOf4Sums},
    Configuration{"sandybridge", "avx,popcnt", kClaimOf8Sums},
    Configuration{"haswell", "v3", kClaimOf32Sums},
    Configuration{"zen", "v3", kClaimOf32Sums},
    Configuration{"zen2", "v3", kClaim},
    Configuration{"zen3", "v3", kClaim},
    Configuration{"bulldozer", "avx,fma4,lzcnt,popcnt", kClaim},
    Configuration{"piledriver", "avx,fma,f16c,bmi1,lzcnt,popcnt", kClaim},
    Configuration{"steamroller", "avx,fma,f16c,bmi1,lzcnt,popcnt", kClaim},
    Configuration{"excavator", "v3", kClaim},
    Configuration{"knl", "v3,avx512f,avx512cd", kClaim},
    Configuration{"skx", "v4", kClaim},
};

Dotv* dotv;
Gemm* gemm;

// ---- the kernels ----

float dot(const float* x, const float* y, size_t n) {
  float sum = 0;
  dotv(kNo, kNo, static_cast<int64_t>(n), x, 1, y, 1, &sum);
  return sum;
}

void matmul(const matmul_args* a) {
  const float one = 1, zero = 0;
  const auto cols = static_cast<int64_t>(a->cols);
  // y (tokens x rows) = x (tokens x cols) times w (rows x cols) transposed: its rows and columns change places.
  gemm(kNo, kNo, static_cast<int64_t>(a->tokens), static_cast<int64_t>(a->row_end - a->row_begin), cols, &one,
       static_cast<const float*>(a->x), cols, 1, adapters::first_row(*a), 1, cols, &zero, a->y + a->row_begin,
       static_cast<int64_t>(a->ldy), 1);
  adapters::add_bias(*a);
}

/// sgemm takes its memory at the first call.
const char* prepare_gemm() {
  const float one = 1, zero = 0;
  const std::vector<float> a(size_t{256} * 256), b(size_t{256} * 256);
  std::vector<float> c(size_t{256} * 256);
  gemm(kNo, kNo, 256, 256, 256, &one, a.data(), 256, 1, b.data(), 1, 256, &zero, c.data(), 256, 1);
  return nullptr;
}

// ---- the table ----

/// frame/base/bli_pba.c: bli_pba_acquire_m.
constexpr char kProductClaim[] =
    R"({"reentrant": {"value": false, "because": "a call takes blocks of memory from a pool of the library"}})";

std::vector<assay_variant> variants;

const Configuration* find_configuration(std::string_view name) {
  const auto* const at =
      std::find_if(kConfigurations.begin(), kConfigurations.end(), [&](const auto& one) { return name == one.name; });
  if (at != kConfigurations.end()) {
    return at;
  }
  std::fprintf(stderr, "blis: no configuration '%s' is known here; there are:", std::string(name).c_str());
  for (const Configuration& one : kConfigurations) {
    std::fprintf(stderr, " %s", one.name);
  }
  std::fprintf(stderr, "\n");
  return nullptr;
}

/// Has the library take the configuration when it begins: by its number, which differs from version to version; "generic" is the last.
/// It ends the process if it was built without.
void choose(char* (*name_of)(unsigned), std::string_view wanted) {
  unsigned number = 0;
  while (wanted != name_of(number) && std::string_view("generic") != name_of(number)) {
    ++number;
  }
  setenv("BLIS_ARCH_TYPE", std::to_string(number).c_str(), 1);
}

void* open(const adapters::Setting& argument) {
  setenv("BLIS_NUM_THREADS", "1", 1);  // a kernel runs in the thread that calls it
  void* const library =
      dlopen(argument.library.empty() ? "libblis.so.4" : argument.library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    std::fprintf(stderr, "blis: %s\n", dlerror());
    return nullptr;
  }
  auto* const name_of = reinterpret_cast<char* (*)(unsigned)>(dlsym(library, "bli_arch_string"));
  auto* const bits_of_int = reinterpret_cast<int64_t (*)()>(dlsym(library, "bli_info_get_int_type_size"));
  dotv = reinterpret_cast<Dotv*>(dlsym(library, "bli_sdotv"));
  gemm = reinterpret_cast<Gemm*>(dlsym(library, "bli_sgemm"));
  if (name_of == nullptr || bits_of_int == nullptr || dotv == nullptr || gemm == nullptr || bits_of_int() != 64) {
    std::fprintf(stderr, "blis: the library lacks functions of blis.h, or its integers have not 64 bits\n");
    return nullptr;
  }
  if (!argument.setting.empty()) {
    if (find_configuration(argument.setting) == nullptr) {
      return nullptr;
    }
    choose(name_of, argument.setting);
  }
  return library;
}

}  // namespace

extern "C" const assay_plugin* assay_plugin_v1(const char* argument) {
  void* const library = open(adapters::parse_setting(argument));
  if (library == nullptr) {
    return nullptr;
  }
  auto* const init = reinterpret_cast<void (*)()>(dlsym(library, "bli_init"));
  auto* const chosen = reinterpret_cast<unsigned (*)()>(dlsym(library, "bli_arch_query_id"));
  auto* const name_of = reinterpret_cast<char* (*)(unsigned)>(dlsym(library, "bli_arch_string"));
  auto* const version = reinterpret_cast<char* (*)()>(dlsym(library, "bli_info_get_version_str"));
  Dl_info file;
  if (init == nullptr || chosen == nullptr || version == nullptr || dladdr(reinterpret_cast<void*>(dotv), &file) == 0) {
    std::fprintf(stderr, "blis: the library lacks functions of blis.h\n");
    return nullptr;
  }
  init();  // before it is asked: else it finds no configuration
  const Configuration* const at = find_configuration(name_of(chosen()));
  if (at == nullptr) {
    return nullptr;
  }
  variants.push_back({"dot_f32", at->name, 2, at->features, reinterpret_cast<assay_any_fn>(dot), nullptr, nullptr, 0,
                      at->claim, nullptr});
  variants.push_back({"matmul_f32", at->name, 2, at->features, reinterpret_cast<assay_any_fn>(matmul),
                      reinterpret_cast<assay_any_fn>(adapters::pack_float_rows), nullptr, 0, kProductClaim,
                      prepare_gemm});
  static const char* const files[] = {file.dli_fname, nullptr};
  static const assay_plugin plugin = {assay_plugin_abi, sizeof plugin,   "blis",          version(),
                                      "BSD-3-Clause",   variants.data(), variants.size(), files};
  return &plugin;
}
