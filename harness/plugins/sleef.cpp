// SLEEF's vector functions on trial: `assay check --plugin sleef.so[:LIBRARY]`. Nothing of SLEEF is built or included: what is
// declared here is the C interface that its sleef.h has.
#include <dlfcn.h>
#include <immintrin.h>

#include <cstdio>
#include <cstring>
#include <vector>

#include "assay/plugin.h"
#include "kernels/exp_f32/kernel.h"

namespace {

// A function of whole vectors, and the kernel that calls it; what is left behind the last of them is padded with zeroes. A macro,
// as the calling convention of vectors depends on the target, which a template cannot be given.
#define EXP(label, isa, Vector)                                                 \
  Vector (*label##_of_vector)(Vector);                                          \
  __attribute__((target(isa))) void label(float* y, const float* x, size_t n) { \
    constexpr size_t lanes = sizeof(Vector) / sizeof(float);                    \
    Vector v;                                                                   \
    for (; n >= lanes; n -= lanes, x += lanes, y += lanes) {                    \
      std::memcpy(&v, x, sizeof v);                                             \
      v = label##_of_vector(v);                                                 \
      std::memcpy(y, &v, sizeof v);                                             \
    }                                                                           \
    if (n != 0) {                                                               \
      float rest[lanes] = {};                                                   \
      for (size_t i = 0; i < n; ++i) {                                          \
        rest[i] = x[i];                                                         \
      }                                                                         \
      std::memcpy(&v, rest, sizeof v);                                          \
      v = label##_of_vector(v);                                                 \
      std::memcpy(rest, &v, sizeof v);                                          \
      for (size_t i = 0; i < n; ++i) {                                          \
        y[i] = rest[i];                                                         \
      }                                                                         \
    }                                                                           \
  }

EXP(c, "sse2", float)
EXP(purec, "sse2", float)
EXP(purecfma, "fma", float)
EXP(sse2, "sse2", __m128)
EXP(sse4, "sse4.1", __m128)
EXP(avx2128, "avx2,fma", __m128)
EXP(avx, "avx", __m256)
EXP(avx2, "avx2,fma", __m256)
EXP(avx512f, "avx512f", __m512)
EXP(avx512fnofma, "avx512f", __m512)
#undef EXP

std::vector<assay_variant> variants;

template <class F>
void add(void* library, const char* symbol, F*& of_vector, const char* label, const char* features, exp_f32_fn* run) {
  of_vector = reinterpret_cast<F*>(dlsym(library, symbol));
  if (of_vector != nullptr) {
    variants.push_back(
        {"exp_f32", label, 1, features, reinterpret_cast<assay_any_fn>(run), nullptr, nullptr, 0, nullptr, nullptr});
  }
}

}  // namespace

extern "C" const assay_plugin* assay_plugin_v1(const char* argument) {
  void* const library = dlopen(*argument != 0 ? argument : "libsleef.so.3", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    std::fprintf(stderr, "sleef: %s\n", dlerror());
    return nullptr;
  }
  // The functions of FMA4 are left out: assay knows no CPU that has it.
  add(library, "Sleef_expf_u10", c_of_vector, "c", nullptr, c);
  add(library, "Sleef_expf1_u10purec", purec_of_vector, "purec", nullptr, purec);
  add(library, "Sleef_expf1_u10purecfma", purecfma_of_vector, "purecfma", "avx2,fma", purecfma);
  add(library, "Sleef_expf4_u10sse2", sse2_of_vector, "sse2", nullptr, sse2);
  add(library, "Sleef_expf4_u10sse4", sse4_of_vector, "sse4", "sse4_1", sse4);
  add(library, "Sleef_expf4_u10avx2128", avx2128_of_vector, "avx2128", "avx2,fma", avx2128);
  add(library, "Sleef_expf8_u10avx", avx_of_vector, "avx", "avx", avx);
  add(library, "Sleef_expf8_u10avx2", avx2_of_vector, "avx2", "avx2,fma", avx2);
  add(library, "Sleef_expf16_u10avx512f", avx512f_of_vector, "avx512f", "avx512f", avx512f);
  add(library, "Sleef_expf16_u10avx512fnofma", avx512fnofma_of_vector, "avx512fnofma", "avx512f", avx512fnofma);
  Dl_info file;
  if (variants.empty() || dladdr(reinterpret_cast<void*>(sse2_of_vector), &file) == 0) {
    std::fprintf(stderr, "sleef: the library has no Sleef_expf4_u10sse2\n");
    return nullptr;
  }
  static const char* const files[] = {file.dli_fname, nullptr};
  static const assay_plugin plugin = {assay_plugin_abi, sizeof plugin,   "sleef",         "3",
                                      "BSL-1.0",        variants.data(), variants.size(), files};
  return &plugin;
}
