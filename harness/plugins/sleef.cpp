// SLEEF's vector functions on trial: `assay check --plugin sleef.so[:LIBRARY]`. Nothing of SLEEF is built or included: what is
// declared here is the C interface that its sleef.h has.
#include <dlfcn.h>

#include <cstdio>
#include <vector>

#include "assay/plugin.h"
#include "harness/plugins/exp_of_vectors.h"
#include "kernels/exp_f32/kernel.h"

namespace {

EXP_OF_VECTORS(c, "sse2", float)
EXP_OF_VECTORS(purec, "sse2", float)
EXP_OF_VECTORS(purecfma, "fma", float)
EXP_OF_VECTORS(sse2, "sse2", __m128)
EXP_OF_VECTORS(sse4, "sse4.1", __m128)
EXP_OF_VECTORS(avx2128, "avx2,fma", __m128)
EXP_OF_VECTORS(avx, "avx", __m256)
EXP_OF_VECTORS(avx2, "avx2,fma", __m256)
EXP_OF_VECTORS(avx512f, "avx512f", __m512)
EXP_OF_VECTORS(avx512fnofma, "avx512f", __m512)

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
