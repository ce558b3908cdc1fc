// naive_kernels.cpp as each of its compilations has it, as a plug-in. They do not keep contracts that ask for 16 partial sums, and claim so.
#include "assay/contract.h"
#include "assay/plugin.h"

extern "C" {
extern const assay_contract dot_f32_contract, rms_norm_f32_contract, layer_norm_f32_contract, matmul_f32_contract;
#define NAIVE(suffix, label, features, is_fast) \
  void dot_f32_##suffix(), rms_norm_f32_##suffix(), layer_norm_f32_##suffix(), matmul_f32_##suffix();
#include "naive.inc"
#undef NAIVE
}

namespace {

size_t pack_rows(void* packed, const void* w, size_t rows, size_t cols) {
  const size_t bytes = rows * cols * sizeof(float);
  if (packed != nullptr && bytes != 0) {
    __builtin_memcpy(packed, w, bytes);
  }
  return bytes;
}

constexpr char kOneSum[] =
    R"({"bound_factor": {"value": 16, "because": "one running sum in place of 16 partial ones: its error grows 16 times as fast with the length"}})";
constexpr char kFast[] =
    R"({"bound_factor": {"value": 16, "because": "-Ofast makes as many partial sums as a vector has elements, or one"},
        "exclude": {"value": ["special", "extreme", "subnormals"], "because": "-Ofast may assume that there is neither NaN nor infinity, and takes approximate reciprocals"}})";

}  // namespace

#define NAIVE(suffix, label, features, is_fast)                                                                      \
  {"dot_f32", label, dot_f32_contract.version,  features, reinterpret_cast<assay_any_fn>(dot_f32_##suffix), nullptr, \
   nullptr,   0,     is_fast ? kFast : kOneSum, nullptr},                                                            \
      {"rms_norm_f32",                                                                                               \
       label,                                                                                                        \
       rms_norm_f32_contract.version,                                                                                \
       features,                                                                                                     \
       reinterpret_cast<assay_any_fn>(rms_norm_f32_##suffix),                                                        \
       nullptr,                                                                                                      \
       nullptr,                                                                                                      \
       0,                                                                                                            \
       is_fast ? kFast : kOneSum,                                                                                    \
       nullptr},                                                                                                     \
      {"layer_norm_f32",                                                                                             \
       label,                                                                                                        \
       layer_norm_f32_contract.version,                                                                              \
       features,                                                                                                     \
       reinterpret_cast<assay_any_fn>(layer_norm_f32_##suffix),                                                      \
       nullptr,                                                                                                      \
       nullptr,                                                                                                      \
       0,                                                                                                            \
       is_fast ? kFast : kOneSum,                                                                                    \
       nullptr},                                                                                                     \
      {"matmul_f32",                                                                                                 \
       label,                                                                                                        \
       matmul_f32_contract.version,                                                                                  \
       features,                                                                                                     \
       reinterpret_cast<assay_any_fn>(matmul_f32_##suffix),                                                          \
       reinterpret_cast<assay_any_fn>(pack_rows),                                                                    \
       nullptr,                                                                                                      \
       0,                                                                                                            \
       is_fast ? kFast : nullptr,                                                                                    \
       nullptr},

extern "C" const assay_plugin* assay_plugin_v1(const char*) {
  static const assay_variant variants[] = {
#include "naive.inc"
  };
  static const assay_plugin plugin = {assay_plugin_abi,
                                      sizeof plugin,
                                      "naive_" ASSAY_COMPILER,
                                      ASSAY_COMPILER_VERSION,
                                      "MIT",
                                      variants,
                                      sizeof variants / sizeof *variants,
                                      nullptr};
  return &plugin;
}
