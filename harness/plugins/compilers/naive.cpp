// naive_kernels.cpp as each of its compilations has it, as a plug-in. They do not keep contracts that ask for 16 partial sums, and claim so.
#include "harness/plugins/compilers/compiler.h"
#include "harness/plugins/products.h"

extern "C" {
extern const assay_contract dot_f32_contract, rms_norm_f32_contract, layer_norm_f32_contract, matmul_f32_contract;
#define DECLARE(suffix) \
  void dot_f32_##suffix(), rms_norm_f32_##suffix(), layer_norm_f32_##suffix(), matmul_f32_##suffix();
#define AT_O3(suffix, label, features) DECLARE(suffix)
#define AT_OFAST(suffix, label, features) DECLARE(suffix)
#include "naive.inc"
#undef AT_O3
#undef AT_OFAST
}

namespace {

constexpr char kOneSum[] =
    R"({"bound_factor": {"value": 16, "because": "one running sum in place of 16 partial ones: its error grows 16 times as fast with the length"}})";
#define FEWER_SUMS \
  R"("bound_factor": {"value": 8, "because": "-Ofast makes as many partial sums as a vector has elements"})"
constexpr char kFastDot[] = "{" FEWER_SUMS "}";
constexpr char kFastNorm[] =
    "{" FEWER_SUMS R"(, "exclude": {"value": ["special", "extreme", "huge", "subnormals", "zeros", "integers"], )"
    R"("because": "-Ofast takes approximate reciprocal roots: of a huge row, or one of zeros with a tiny eps, it makes NaN"}})";

template <class F>
assay_any_fn any(F* function) {
  return reinterpret_cast<assay_any_fn>(function);
}

}  // namespace

#define ROW(kernel, suffix, label, features, claim) \
  {#kernel, label, kernel##_contract.version, features, any(kernel##_##suffix), nullptr, nullptr, 0, claim, nullptr},
#define PRODUCT(suffix, label, features) \
  {"matmul_f32",                         \
   label,                                \
   matmul_f32_contract.version,          \
   features,                             \
   any(matmul_f32_##suffix),             \
   any(adapters::pack_float_rows),       \
   nullptr,                              \
   0,                                    \
   nullptr,                              \
   nullptr},
#define AT_O3(suffix, label, features)                  \
  ROW(dot_f32, suffix, label, features, kOneSum)        \
  ROW(rms_norm_f32, suffix, label, features, kOneSum)   \
  ROW(layer_norm_f32, suffix, label, features, kOneSum) \
  PRODUCT(suffix, label, features)
// Not layer_norm_f32: where a row's values are equal and eps is tiny, GCC's -Ofast makes NaN, which no claim covers.
#define AT_OFAST(suffix, label, features)               \
  ROW(dot_f32, suffix, label, features, kFastDot)       \
  ROW(rms_norm_f32, suffix, label, features, kFastNorm) \
  PRODUCT(suffix, label, features)

extern "C" const assay_plugin* assay_plugin_v1(const char*) {
  static const assay_variant variants[] = {
#include "naive.inc"
  };
  return compilers::plugin_named("naive_" ASSAY_COMPILER, variants);
}
