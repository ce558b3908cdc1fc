// OpenBLAS on trial: the dot product of each CPU that the library was built for, and sgemm: `assay check --plugin
// openblas.so[:LIBRARY]`. Nothing of OpenBLAS is built or included: what is declared here is the interface of its libraries that
// choose by the CPU (DYNAMIC_ARCH; cblas.h, common_level1.h).
#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "assay/plugin.h"
#include "harness/plugins/products.h"
#include "kernels/dot_f32/kernel.h"

namespace {

// ---- OpenBLAS's interface ----

using Dot = float(long n, const float* x, long step_of_x, const float* y, long step_of_y);
using Sgemm = void(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float* a, int lda,
                   const float* b, int ldb, float beta, float* c, int ldc);
constexpr int kRowMajor = 101, kNoTrans = 111, kTrans = 112;

/// A CPU that it is built for, by the name in its symbols, and what that code may execute (Makefile.x86_64).
struct Core {
  const char *name, *features;
};
constexpr std::array kCores = {
    Core{"PRESCOTT", "sse3"},
    Core{"CORE2", "ssse3"},
    Core{"PENRYN", "sse4_1"},
    Core{"DUNNINGTON", "sse4_1"},
    Core{"NEHALEM", "sse4_2"},
    Core{"OPTERON", nullptr},
    Core{"OPTERON_SSE3", "sse3"},
    Core{"BARCELONA", "sse3"},
    Core{"BOBCAT", "ssse3"},
    Core{"ATOM", "ssse3"},
    Core{"NANO", "ssse3"},
    Core{"SANDYBRIDGE", "avx"},
    Core{"BULLDOZER", "avx"},
    Core{"PILEDRIVER", "avx,fma"},
    Core{"STEAMROLLER", "avx,fma"},
    Core{"EXCAVATOR", "avx2,fma"},
    Core{"HASWELL", "avx2,fma"},
    Core{"ZEN", "avx2,fma"},
    Core{"SKYLAKEX", "v4"},
    Core{"COOPERLAKE", "v4,avx512_bf16"},
    Core{"SAPPHIRERAPIDS", "v4,avx512_bf16"},
};

std::array<Dot*, kCores.size()> dots;
Sgemm* sgemm;

// ---- the kernels ----

template <size_t C>
float dot(const float* x, const float* y, size_t n) {
  return dots[C](static_cast<long>(n), x, 1, y, 1);
}

void matmul(const matmul_args* a) {
  const int rows = static_cast<int>(a->row_end - a->row_begin), cols = static_cast<int>(a->cols);
  const int step = std::max(cols, 1);
  // y (tokens x rows) = x (tokens x cols) times w (rows x cols) transposed.
  sgemm(kRowMajor, kNoTrans, kTrans, static_cast<int>(a->tokens), rows, cols, 1, static_cast<const float*>(a->x), step,
        adapters::first_row(*a), step, 0, a->y + a->row_begin, static_cast<int>(a->ldy));
  adapters::add_bias(*a);
}

/// FMA4, which AMD's cores of the Bulldozer family use, is in none of the names that a variant can say.
const char* prepare_fma4() { return __builtin_cpu_supports("fma4") != 0 ? nullptr : "this CPU has no FMA4"; }

bool is_bulldozer_family(std::string_view core) {
  return core == "BULLDOZER" || core == "PILEDRIVER" || core == "STEAMROLLER" || core == "EXCAVATOR";
}

bool sgemm_has_fma4;

/// sgemm takes its memory at the first call.
const char* prepare_sgemm() {
  const char* const why = sgemm_has_fma4 ? prepare_fma4() : nullptr;
  if (why == nullptr) {
    const std::vector<float> a(256 * 256), b(256 * 256);
    std::vector<float> c(256 * 256);
    sgemm(kRowMajor, kNoTrans, kTrans, 256, 256, 256, 1, a.data(), 256, b.data(), 256, 0, c.data(), 256);
  }
  return why;
}

// ---- the table ----

/// driver/others/memory.c: blas_memory_alloc.
constexpr char kClaim[] =
    R"({"reentrant": {"value": false, "because": "a call marks the buffer that it takes in a table of the library"}})";

std::vector<assay_variant> variants;

template <size_t C>
void add_dot(void* library) {
  const std::string_view name = kCores[C].name;
  dots[C] = reinterpret_cast<Dot*>(dlsym(library, ("sdot_k_" + std::string(name)).c_str()));
  if (dots[C] != nullptr) {
    variants.push_back({"dot_f32", kCores[C].name, 2, kCores[C].features, reinterpret_cast<assay_any_fn>(dot<C>),
                        nullptr, nullptr, 0, nullptr, name == "BULLDOZER" ? prepare_fma4 : nullptr});
  }
}

template <size_t... C>
void add_dots(void* library, std::index_sequence<C...>) {
  (add_dot<C>(library), ...);
}

void add_sgemm(void* library) {
  auto* const core = reinterpret_cast<char* (*)()>(dlsym(library, "openblas_get_corename"));
  sgemm = reinterpret_cast<Sgemm*>(dlsym(library, "cblas_sgemm"));
  if (core == nullptr || sgemm == nullptr) {
    return;
  }
  // The core that the library chose; the variable OPENBLAS_CORETYPE names another.
  std::string name = core();
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return 'a' <= c && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  const auto* const at = std::find_if(kCores.begin(), kCores.end(), [&](const Core& c) { return name == c.name; });
  if (at != kCores.end()) {
    sgemm_has_fma4 = is_bulldozer_family(name);
    variants.push_back({"matmul_f32", at->name, 2, at->features, reinterpret_cast<assay_any_fn>(matmul),
                        reinterpret_cast<assay_any_fn>(adapters::pack_float_rows), nullptr, 0, kClaim, prepare_sgemm});
  }
}

}  // namespace

extern "C" const assay_plugin* assay_plugin_v1(const char* argument) {
  // A kernel runs in the thread that calls it.
  setenv("OPENBLAS_NUM_THREADS", "1", 1);
  void* const library = dlopen(*argument != 0 ? argument : "libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    std::fprintf(stderr, "openblas: %s\n", dlerror());
    return nullptr;
  }
  add_dots(library, std::make_index_sequence<kCores.size()>());
  add_sgemm(library);
  Dl_info file;
  if (variants.empty() || dladdr(dlsym(library, "cblas_sgemm"), &file) == 0) {
    std::fprintf(stderr, "openblas: the library has no sdot_k_<CORE> and no cblas_sgemm: it was built for one CPU\n");
    return nullptr;
  }
  static const char* const files[] = {file.dli_fname, nullptr};
  static const assay_plugin plugin = {assay_plugin_abi, sizeof plugin,   "openblas",      "0",
                                      "BSD-3-Clause",   variants.data(), variants.size(), files};
  return &plugin;
}
