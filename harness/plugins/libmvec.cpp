// glibc's vector functions on trial: `assay check --plugin libmvec.so[:LIBRARY]`. What is declared here is their interface, the
// vector ABI of x86-64 (https://sourceware.org/glibc/wiki/libmvec): b, c, d and e in a name stand for SSE, AVX, AVX2 and AVX-512.
#include <dlfcn.h>

#include <cstdio>
#include <string>
#include <vector>

#include "assay/plugin.h"
#include "harness/plugins/exp_of_vectors.h"
#include "kernels/exp_f32/kernel.h"

namespace {

EXP_OF_VECTORS(b, "sse2", __m128)
EXP_OF_VECTORS(c, "avx", __m256)
EXP_OF_VECTORS(d, "avx2", __m256)
EXP_OF_VECTORS(e, "avx512f", __m512)

/// What the library itself says of its accuracy; the contract asks for 1 ULP.
constexpr char kClaim[] =
    R"({"bound_factor": {"value": 4, "because": "4 ULP, by random sampling: https://sourceware.org/glibc/wiki/libmvec"}})";

std::vector<assay_variant> variants;
std::string features_of_b, features_of_c, features_of_d, features_of_e;

template <class F>
void add(void* library, const char* symbol, F*& of_vector, const char* label, const std::string& features,
         exp_f32_fn* run) {
  of_vector = reinterpret_cast<F*>(dlsym(library, symbol));
  if (of_vector != nullptr) {
    variants.push_back({"exp_f32", label, 1, features.c_str(), reinterpret_cast<assay_any_fn>(run), nullptr, nullptr, 0,
                        kClaim, nullptr});
  }
}

}  // namespace

extern "C" const assay_plugin* assay_plugin_v1(const char* argument) {
  void* const library = dlopen(*argument != 0 ? argument : "libmvec.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    std::fprintf(stderr, "libmvec: %s\n", dlerror());
    return nullptr;
  }
  // Each name stands for several functions, among which glibc chooses by the CPU when it is loaded
  // (sysdeps/x86_64/fpu/multiarch/ifunc-mathvec-*.h). All of them leave arguments that they do not handle to libm's expf, for which
  // that is likewise (ifunc-fma.h).
  const bool has_fma = __builtin_cpu_supports("fma") != 0 && __builtin_cpu_supports("avx2") != 0;
  const std::string expf = has_fma ? ",avx2,fma" : "";
  features_of_b = (__builtin_cpu_supports("sse4.1") != 0 ? "sse4_1" : "v1") + expf;
  features_of_c = "avx" + expf;
  features_of_d = "avx2,fma";
  features_of_e = __builtin_cpu_supports("avx512dq") != 0 ? "avx512f,avx512dq" : "avx512f";
  add(library, "_ZGVbN4v_expf", b_of_vector, "b4", features_of_b, b);
  add(library, "_ZGVcN8v_expf", c_of_vector, "c8", features_of_c, c);
  add(library, "_ZGVdN8v_expf", d_of_vector, "d8", features_of_d, d);
  add(library, "_ZGVeN16v_expf", e_of_vector, "e16", features_of_e, e);
  Dl_info file, libm;
  if (variants.empty() || dladdr(reinterpret_cast<void*>(b_of_vector), &file) == 0) {
    std::fprintf(stderr, "libmvec: the library has no _ZGVbN4v_expf\n");
    return nullptr;
  }
  const bool has_libm = dladdr(dlsym(library, "expf"), &libm) != 0;
  static const char* const files[] = {file.dli_fname, has_libm ? libm.dli_fname : nullptr, nullptr};
  static const assay_plugin plugin = {assay_plugin_abi,    sizeof plugin,   "libmvec",       "1",
                                      "LGPL-2.1-or-later", variants.data(), variants.size(), files};
  return &plugin;
}
