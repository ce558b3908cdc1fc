// The kernels of a released llama.cpp on trial: `assay check --plugin ggml.so:FOLDER`, where FOLDER holds libggml-base.so and
// libggml-cpu-*.so, one for each CPU that it was built for. Nothing of ggml is built or included: what is declared here is the C
// interface of its libraries, which has been so since they can be loaded one by one (ggml.h, ggml-cpu.h).
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

#include "harness/plugins/ggml_library.h"
#include "kernels/dequantize/kernel.h"
#include "kernels/matmul/kernel.h"
#include "kernels/quantize/kernel.h"
#include "kernels/quantize_q8_0/kernel.h"
#include "kernels/quantize_q8_k/kernel.h"

namespace {

// ---- ggml's interface ----

using FromFloat = void(const float* x, void* y, int64_t k);
using ToFloat = void(const void* x, float* y, int64_t k);
using VecDot = void(int n, float* s, size_t bs, const void* x, size_t bx, const void* y, size_t by, int nrc);
struct TypeTraitsCpu {
  FromFloat* from_float;
  VecDot* vec_dot;
  int vec_dot_type;
  int64_t nrows;
};
struct TypeTraits {
  const char* type_name;
  int64_t blck_size, blck_size_interleave;
  size_t type_size;
  bool is_quantized;
  ToFloat* to_float;
  FromFloat* from_float_ref;
};
enum Type { kF32 = 0, kF16 = 1, kQ8_0 = 8, kQ8_1 = 9, kQ8_K = 15, kBf16 = 30 };

/// A format of weights, by ggml's number and name. `quantizes`: assay has a quantizer to files of it.
struct Format {
  const char* name;
  int type;
  bool quantizes;
};
constexpr std::array kFormats = {
    Format{"f32", 0, false},   Format{"f16", 1, false},     Format{"bf16", 30, false},   Format{"q4_0", 2, true},
    Format{"q4_1", 3, true},   Format{"q5_0", 6, true},     Format{"q5_1", 7, true},     Format{"q8_0", 8, true},
    Format{"q2_k", 10, false}, Format{"q3_k", 11, false},   Format{"q4_k", 12, false},   Format{"q5_k", 13, false},
    Format{"q6_k", 14, false}, Format{"iq4_nl", 20, false}, Format{"iq4_xs", 23, false}, Format{"tq1_0", 34, true},
    Format{"tq2_0", 35, true}, Format{"mxfp4", 39, true},   Format{"q1_0", 41, true},    Format{"q2_0", 42, true},
};

// ---- what was loaded: in variables of this library, which its functions read ----

std::array<const TypeTraits*, kFormats.size()> base_traits;
std::array<std::array<const TypeTraitsCpu*, kFormats.size()>, kBuilds.size()> traits;
std::array<FromFloat*, kBuilds.size()> to_q8_0, to_q8_k;
std::array<FromFloat*, kBuilds.size()> to_f16, to_bf16;
uint16_t (*fp32_to_fp16)(float);
float (*fp16_to_fp32)(uint16_t);
size_t (*quantize_chunk)(int type, const float* src, void* dst, int64_t start, int64_t nrows, int64_t n_per_row,
                         const float* imatrix);

// ---- the kernels ----

/// A product of rows by vec_dot, whose weights lie as in the file.
template <size_t B, size_t F>
struct Product {
  static constexpr size_t kChunk = 8192;  // columns of activations that are converted on the stack

  static size_t row_bytes(size_t cols) {
    const TypeTraits& t = *base_traits[F];
    return cols / static_cast<size_t>(t.blck_size) * t.type_size;
  }

  static size_t pack(void* packed, const void* w, size_t rows, size_t cols) {
    const size_t bytes = rows * row_bytes(cols);
    if (packed != nullptr) {
      std::memcpy(packed, w, bytes);
    }
    return bytes;
  }

  /// Q8_0 to Q8_1: with d times the sum of each block.
  static void with_sums(uint8_t* to, const uint8_t* from, size_t cols) {
    for (size_t b = 0; b < cols / 32; ++b, to += 36, from += 34) {
      uint16_t d = 0;
      std::memcpy(&d, from, 2);
      int sum = 0;
      for (size_t i = 0; i < 32; ++i) {
        sum += static_cast<int8_t>(from[2 + i]);
      }
      const uint16_t s = fp32_to_fp16(fp16_to_fp32(d) * static_cast<float>(sum));
      std::memcpy(to, &d, 2);
      std::memcpy(to + 2, &s, 2);
      std::memcpy(to + 4, from + 2, 32);
    }
  }

  static void run(const matmul_args* a) {
    const TypeTraitsCpu& t = *traits[B][F];
    const auto* w = static_cast<const uint8_t*>(a->packed);
    const size_t w_row = row_bytes(a->cols);
    const int kind = t.vec_dot_type;
    const bool converts = kind == kQ8_1 || kind == kF16 || kind == kBf16;
    const auto bytes_of_x = [&](size_t cols) {
      return kind == kQ8_0 || kind == kQ8_1 ? cols / 32 * 34 : kind == kQ8_K ? cols / 256 * 292 : cols * 4;
    };
    alignas(64) uint8_t converted[kChunk / 32 * 36 > kChunk * 2 ? kChunk / 32 * 36 : kChunk * 2];
    for (size_t token = 0; token < a->tokens; ++token) {
      const auto* x = static_cast<const uint8_t*>(a->x) + token * bytes_of_x(a->cols);
      float* const y = a->y + token * a->ldy;
      for (size_t r = a->row_begin; r < a->row_end; ++r) {
        y[r] = a->bias != nullptr ? a->bias[r] : 0;
      }
      for (size_t c = 0; c < a->cols;) {
        const size_t n = converts ? std::min(kChunk, a->cols - c) : a->cols;
        const uint8_t* part = x + bytes_of_x(c);
        if (kind == kQ8_1) {
          with_sums(converted, part, n);
          part = converted;
        } else if (converts) {
          (kind == kF16 ? to_f16 : to_bf16)[B](reinterpret_cast<const float*>(part), converted,
                                               static_cast<int64_t>(n));
          part = converted;
        }
        for (size_t r = a->row_begin; r < a->row_end; ++r) {
          float s = 0;
          t.vec_dot(static_cast<int>(n), &s, 0, w + r * w_row + row_bytes(c), 0, part, 0, 1);
          y[r] += s;
        }
        c += n;
      }
    }
  }
};

template <size_t F>
void dequantize(float* y, const void* x, size_t n) {
  base_traits[F]->to_float(x, y, static_cast<int64_t>(n));
}

template <size_t F>
size_t quantize(void* dst, const float* x, size_t n) {
  if (n != 0) {
    quantize_chunk(kFormats[F].type, x, dst, 0, 1, static_cast<int64_t>(n), nullptr);
  }
  return n;
}

void dequantize_f32(float* y, const void* x, size_t n) { std::memcpy(y, x, n * sizeof(float)); }

template <size_t B>
void quantize_q8_0_of(void* dst, const float* x, size_t n) {
  to_q8_0[B](x, dst, static_cast<int64_t>(n));
}
template <size_t B>
void quantize_q8_k_of(void* dst, const float* x, size_t n) {
  to_q8_k[B](x, dst, static_cast<int64_t>(n));
}

// ---- loading ----

template <size_t B>
const char* load_build() {
  if (const char* const why = prepare_library<B>(); why != nullptr) {
    return why;
  }
  auto* const traits_of = find<const TypeTraitsCpu*(int)>(cpu_libraries[B], "ggml_get_type_traits_cpu");
  if (traits_of == nullptr) {
    return "the library has no ggml_get_type_traits_cpu";
  }
  for (size_t f = 0; f < kFormats.size(); ++f) {
    traits[B][f] = traits_of(kFormats[f].type);
  }
  to_q8_0[B] = traits_of(kQ8_0)->from_float;
  to_q8_k[B] = traits_of(kQ8_K)->from_float;
  to_f16[B] = traits_of(kF16)->from_float;
  to_bf16[B] = traits_of(kBf16)->from_float;
  return nullptr;
}

template <size_t B>
const char* prepare_build() {
  static const char* const why = load_build<B>();
  return why;
}

template <size_t B, size_t F>
const char* prepare_product() {
  const char* const why = prepare_build<B>();
  if (why != nullptr) {
    return why;
  }
  return traits[B][F] == nullptr || traits[B][F]->vec_dot == nullptr ? "the library has no vec_dot of this type"
                                                                     : nullptr;
}

const char* quantizes_q8_k(FromFloat* f) {
  return f == nullptr ? "the library has no from_float of this type" : nullptr;
}

template <size_t B>
const char* prepare_q8_k() {
  const char* const why = prepare_build<B>();
  return why != nullptr ? why : quantizes_q8_k(to_q8_k[B]);
}

/// Finds what is called of libggml-base.so. False: it lacks something, and that was said.
bool find_base() {
  const TypeTraits* (*traits_of)(int) = nullptr;
  if (!get(fp32_to_fp16, "ggml_fp32_to_fp16") || !get(fp16_to_fp32, "ggml_fp16_to_fp32") ||
      !get(quantize_chunk, "ggml_quantize_chunk") || !get(traits_of, "ggml_get_type_traits")) {
    return false;
  }
  for (size_t f = 0; f < kFormats.size(); ++f) {
    // An older or newer library may have another format of that number, or none.
    const TypeTraits* t = traits_of(kFormats[f].type);
    std::string name = t == nullptr || t->type_name == nullptr ? "" : t->type_name;
    std::transform(name.begin(), name.end(), name.begin(), [](char c) { return c == 'K' ? 'k' : c; });
    base_traits[f] = name == kFormats[f].name ? t : nullptr;
  }
  return true;
}

// ---- what it says that it does not keep ----

// All but the plainest build multiply integers in 8 or 16 lanes, and scale and sum each lane as a float: ggml_vec_dot_q4_0_q8_0 and
// the others in ggml-cpu/arch/x86/quants.c.
#define LANES \
  "\"exact_blocks\": {\"value\": false, \"because\": \"each lane's integers are scaled and summed as floats\"}"
// Where a scale is a float, as in Q8_K, or a power of two.
#define OVERFLOW                                                                                                     \
  "\"exclude\": {\"value\": [\"wide\"], \"because\": \"what is multiplied first overflows where the result is near " \
  "FLT_MAX\"}"
constexpr const char* kLanes = "{" LANES ", " OVERFLOW "}";
constexpr const char* kLanesOfPowers =
    "{" LANES
    ", \"exclude\": {\"value\": [\"code_of_minus_128\", \"wide\"], \"because\": \"psignb leaves -128 as it is, which "
    "quantize_row_q8_0 does "
    "not make; scales that are powers of two overflow where the result is near FLT_MAX\"}}";
constexpr const char* kLanesOfSigns =
    "{" LANES
    ", \"exclude\": {\"value\": [\"code_of_minus_128\"], \"because\": \"signs are moved "
    "from one factor to the other by psignb, which leaves "
    "-128 as it is; quantize_row_q8_0 makes codes of -127 to 127\"}}";
// The bound is at least (2 + 4) 2^-24 of the sum of magnitudes, in which the minima are: 2^-11 is 1366 times that, and 2 for the rest.
constexpr const char* kSumsInHalf =
    "{" LANES
    ", \"exclude\": {\"value\": [\"code_of_minus_128\"], \"because\": \"as for other products with Q8_0\"}"
    ", \"bound_factor\": {\"value\": 1368, \"because\": \"the sum of a block of activations, times d, is rounded to "
    "fp16 in block_q8_1\"}}";

const char* claim_of_product(const std::string& format) {
  if (format == "f32" || format == "f16" || format == "bf16") {
    return nullptr;
  }
  if (format == "q4_1" || format == "q5_1") {
    return kSumsInHalf;
  }
  if (format == "mxfp4") {
    return kLanesOfPowers;
  }
  constexpr std::array kWithQ8_0 = {"q4_0", "q5_0", "q8_0", "iq4_nl", "q1_0", "q2_0"};
  return std::find(kWithQ8_0.begin(), kWithQ8_0.end(), format) != kWithQ8_0.end() ? kLanesOfSigns : kLanes;
}

// ---- the table ----

void add(const std::string& kernel, const char* label, const char* features, assay_any_fn run, assay_any_fn pack,
         const char* layout, const char* claim, const char* (*prepare)()) {
  const unsigned contract = pack != nullptr ? 2 : 1;  // that of the products was revised
  assay_variant& variant = add_variant(kernel, contract, label, features, run);
  variant.pack = pack;
  variant.layout = layout;
  variant.claim = claim;
  variant.prepare = prepare;
}

template <size_t B, size_t F>
void add_product() {
  if (base_traits[F] != nullptr) {
    add(std::string("matmul_") + kFormats[F].name, kBuilds[B].name, kBuilds[B].features, any(Product<B, F>::run),
        any(Product<B, F>::pack), "file", claim_of_product(kFormats[F].name), prepare_product<B, F>);
  }
}

template <size_t B, size_t... F>
void add_build(std::index_sequence<F...>) {
  if (!has_build(B)) {
    return;
  }
  (add_product<B, F>(), ...);
  add("quantize_q8_0", kBuilds[B].name, kBuilds[B].features, any(quantize_q8_0_of<B>), nullptr, nullptr, nullptr,
      prepare_build<B>);
  add("quantize_q8_k", kBuilds[B].name, kBuilds[B].features, any(quantize_q8_k_of<B>), nullptr, nullptr, nullptr,
      prepare_q8_k<B>);
}

template <size_t F>
void add_base() {
  if (base_traits[F] == nullptr) {
    return;
  }
  const char* const label = "base";
  const std::string name = kFormats[F].name;
  add("dequantize_" + name, label, nullptr, kFormats[F].type == kF32 ? any(dequantize_f32) : any(dequantize<F>),
      nullptr, nullptr, nullptr, nullptr);
  if (kFormats[F].quantizes) {
    const bool is_of_activations = name == "q8_0" || name == "q1_0";
    add("quantize_" + name + (is_of_activations ? "_file" : ""), label, nullptr, any(quantize<F>), nullptr, nullptr,
        nullptr, nullptr);
  }
}

template <size_t... B, size_t... F>
void add_all(std::index_sequence<B...>, std::index_sequence<F...> formats) {
  (add_base<F>(), ...);
  (add_build<B>(formats), ...);
}

}  // namespace

extern "C" const assay_plugin* assay_plugin_v1(const char* argument) {
  if (!open_base("ggml", argument) || !find_base()) {
    return nullptr;
  }
  add_all(std::make_index_sequence<kBuilds.size()>(), std::make_index_sequence<kFormats.size()>());
  return plugin_of_table();
}
