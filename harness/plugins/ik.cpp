// ik_llama.cpp's products on trial, where a user has built it as a shared library for a CPU: `assay check --plugin ik.so:LIBGGML`, the
// path of its libggml.so. Nothing of it is built or included: what is declared here is the C interface of its ggml.h and
// iqk_mul_mat.h.
#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "assay/plugin.h"
#include "harness/plugins/products.h"
#include "kernels/matmul/kernel.h"

namespace {

// ---- its interface ----

/// C (y rows of x floats, stride_c apart) = A (x rows) times B (y rows); strides of A and B in bytes. False: it has no product of these types.
using MulMat = bool(long x, long y, long cols, int type_a, const void* a, long stride_a, int type_b, const void* b,
                    long stride_b, float* c, long stride_c, int thread, int threads);
struct InitParams {
  size_t mem_size;
  void* mem_buffer;
  bool no_alloc;
};
/// Types of activations, by ggml's numbers.
enum { kF32 = 0, kQ8_K = 15, kQ8_2_X4 = 99 };

MulMat* mul_mat;
float (*fp16_to_fp32)(uint16_t);
size_t (*row_size)(int type, int64_t cols);

// What it does not keep by design. What else it does not keep is in reports/peers/libraries.md.
#define UNPACKS                                                                                                \
  "\"reentrant\": {\"value\": false, \"because\": \"weights are unpacked into a buffer that each thread has: " \
  "thread_local_work_buffer in iqk_mul_mat.cpp\"}"
#define LANES \
  "\"exact_blocks\": {\"value\": false, \"because\": \"each lane's integers are scaled and summed as floats\"}"
#define BF16_SCALES                                                                                                \
  "\"bound_factor\": {\"value\": 6555, \"because\": \"block_q8_2 has the scale of 32 activations as bf16: off by " \
  "2^-9, where the bound is 5 x 2^-24 at least\"}"
#define WIDE "\"wide\""
#define OVERFLOWS "what is multiplied first overflows where the result is near FLT_MAX"
#define SIGNS \
  "signs are moved from one factor to the other by VPSIGNB, which leaves -128 as it is; no quantizer makes it"
#define EXCLUDE(classes, because) "\"exclude\": {\"value\": [" classes "], \"because\": \"" because "\"}"
#define UP_TO(tokens)                          \
  "\"most\": {\"value\": {\"tokens\": " tokens \
  "}, \"because\": \"for more tokens weights are rounded to 8 bits first\"}"
constexpr const char* kOfFloats =
    "{\"multiple_of\": {\"value\": {\"cols\": 8}, \"because\": \"of bf16 it takes no other, and of the others 8 at "
    "least\"}, " UNPACKS "}";
constexpr const char* kOfQ8_2 =
    "{" BF16_SCALES ", " LANES ", " EXCLUDE("\"code_of_minus_128\"", SIGNS) ", " UNPACKS "}";
constexpr const char* kOfMxfp4 =
    "{" BF16_SCALES ", " LANES ", " EXCLUDE("\"code_of_minus_128\", " WIDE, SIGNS "; " OVERFLOWS) ", " UNPACKS "}";
constexpr const char* kOfQ1_0 = "{" BF16_SCALES ", " LANES ", " UNPACKS "}";
constexpr const char* kOfQ4_K = "{" BF16_SCALES ", " LANES ", " EXCLUDE(WIDE, OVERFLOWS) ", " UNPACKS "}";
constexpr const char* kOfQ6_K =
    "{" BF16_SCALES ", " LANES ", " EXCLUDE(WIDE, OVERFLOWS) ", " UP_TO("63") ", " UNPACKS "}";
constexpr const char* kOfQ8_K = "{" LANES ", " EXCLUDE(WIDE, OVERFLOWS) ", " UP_TO("31") ", " UNPACKS "}";

/// A format of weights, by its name here, its number, its name there, the activations of the contract, and what is claimed.
struct Format {
  const char* kernel;
  int type;
  const char* name;
  enum { floats, q8_0, q8_k } activations;
  const char* claim;
};
constexpr std::array kFormats = {
    Format{"matmul_f32", 0, "f32", Format::floats, kOfFloats},
    Format{"matmul_f16", 1, "f16", Format::floats, kOfFloats},
    Format{"matmul_bf16", 30, "bf16", Format::floats, kOfFloats},
    Format{"matmul_q4_0", 2, "q4_0", Format::q8_0, kOfQ8_2},
    Format{"matmul_q4_1", 3, "q4_1", Format::q8_0, kOfQ8_2},
    Format{"matmul_q5_0", 6, "q5_0", Format::q8_0, kOfQ8_2},
    Format{"matmul_q5_1", 7, "q5_1", Format::q8_0, kOfQ8_2},
    Format{"matmul_q8_0", 8, "q8_0", Format::q8_0, kOfQ8_2},
    Format{"matmul_q2_k", 10, "q2_K", Format::q8_k, kOfQ8_K},
    Format{"matmul_q3_k", 11, "q3_K", Format::q8_k, kOfQ8_K},
    Format{"matmul_q4_k", 12, "q4_K", Format::q8_k, kOfQ4_K},
    Format{"matmul_q5_k", 13, "q5_K", Format::q8_k, kOfQ4_K},
    Format{"matmul_q6_k", 14, "q6_K", Format::q8_k, kOfQ6_K},
    Format{"matmul_iq4_nl", 20, "iq4_nl", Format::q8_0, kOfQ8_2},
    Format{"matmul_iq4_xs", 23, "iq4_xs", Format::q8_k, kOfQ8_K},
    Format{"matmul_mxfp4", 39, "mxfp4", Format::q8_0, kOfMxfp4},
    Format{"matmul_q1_0", 41, "q1_0_g128", Format::q8_0, kOfQ1_0},
};

/// What each product takes as activations: asked of it.
std::array<int, kFormats.size()> taken;

// ---- activations as it takes them ----

constexpr size_t kQ8_0Bytes = 34, kQ8_KBytes = 292;  // of the contract's blocks, of 32 and 256 columns

size_t bytes_of_x(const Format& format, size_t cols) {
  return format.activations == Format::q8_0   ? cols / 32 * kQ8_0Bytes
         : format.activations == Format::q8_k ? cols / 256 * kQ8_KBytes
                                              : cols * sizeof(float);
}

size_t bytes_of_taken(int type, size_t cols) {
  return type == kQ8_2_X4 ? cols / 32 * 36 : type == kQ8_K ? cols / 256 * 296 : cols * sizeof(float);
}

/// Rounded to nearest even.
uint16_t bf16_of(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  const bool is_nan = (bits & 0x7fffffff) > 0x7f800000;
  return static_cast<uint16_t>(is_nan ? bits >> 16 | 0x40 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/// 32 codes with their scale.
struct Codes {
  float scale;
  const uint8_t* codes;
};

/// Those of columns 32 * i to 32 * i + 31.
Codes codes_at(const Format& format, const uint8_t* x, size_t i) {
  Codes c{};
  if (format.activations == Format::q8_0) {
    uint16_t d = 0;
    std::memcpy(&d, x + i * kQ8_0Bytes, sizeof d);
    c = {fp16_to_fp32(d), x + i * kQ8_0Bytes + sizeof d};
  } else {
    const uint8_t* const block = x + i / 8 * kQ8_KBytes;
    std::memcpy(&c.scale, block, sizeof c.scale);
    c.codes = block + sizeof c.scale + i % 8 * 32;
  }
  return c;
}

int16_t sum_of(const Codes& c) {
  int sum = 0;
  for (size_t i = 0; i < 32; ++i) {
    sum += static_cast<int8_t>(c.codes[i]);
  }
  return static_cast<int16_t>(sum);
}

/// block_q8_2_x4: four scales as bf16, four sums of codes, and their codes; what is left over as block_q8_2, one by one.
void to_q8_2_x4(const Format& format, uint8_t* to, const uint8_t* x, size_t cols) {
  const size_t blocks = cols / 32;
  for (size_t i = 0; i < blocks; ++i) {
    const size_t together = i < blocks / 4 * 4 ? 4 : 1, at = i % together;
    uint8_t* const group = to + (i - at) * 36;
    const Codes c = codes_at(format, x, i);
    const uint16_t scale = bf16_of(c.scale);
    const int16_t sum = sum_of(c);
    std::memcpy(group + at * 2, &scale, 2);
    std::memcpy(group + (together + at) * 2, &sum, 2);
    std::memcpy(group + together * 4 + at * 32, c.codes, 32);
  }
}

/// block_q8_K: beside what the contract's has the sum of all codes, times the scale.
void to_q8_k(const Format& format, uint8_t* to, const uint8_t* x, size_t cols) {
  for (size_t b = 0; b < cols / 256; ++b, to += 296) {
    const uint8_t* const block = x + b * kQ8_KBytes;
    int sum = 0;
    for (size_t i = 0; i < 8; ++i) {
      sum += sum_of(codes_at(format, x, 8 * b + i));
    }
    const float scaled = codes_at(format, x, 8 * b).scale * static_cast<float>(sum);
    std::memcpy(to, block, 4);
    std::memcpy(to + 4, &scaled, 4);
    std::memcpy(to + 8, block + 4, kQ8_KBytes - 4);
  }
}

void convert(const Format& format, int type, uint8_t* to, const uint8_t* x, size_t cols) {
  if (type == kQ8_2_X4) {
    to_q8_2_x4(format, to, x, cols);
  } else if (type == kQ8_K) {
    to_q8_k(format, to, x, cols);
  } else {
    std::memcpy(to, x, cols * sizeof(float));
  }
}

// ---- the kernels ----

/// A product of rows that lie as in the file. What the library takes as activations is made of the contract's within the call: for one
/// token that is little beside the product.
template <size_t F>
struct IkProduct {
  static constexpr Format kFormat = kFormats[F];

  static size_t pack(void* packed, const void* w, size_t rows, size_t cols) {
    const size_t bytes = rows * row_size(kFormat.type, static_cast<int64_t>(cols));
    if (packed != nullptr) {
      std::memcpy(packed, w, bytes);
    }
    return bytes;
  }

  static void run(const matmul_args* a) {
    if (adapters::is_empty(*a)) {
      return;
    }
    thread_local std::vector<uint8_t> activations;
    const size_t x_row = bytes_of_x(kFormat, a->cols), taken_row = bytes_of_taken(taken[F], a->cols);
    if (activations.size() < a->tokens * taken_row) {
      activations.resize(a->tokens * taken_row);
    }
    for (size_t token = 0; token < a->tokens; ++token) {
      convert(kFormat, taken[F], activations.data() + token * taken_row,
              static_cast<const uint8_t*>(a->x) + token * x_row, a->cols);
    }
    const size_t w_row = row_size(kFormat.type, static_cast<int64_t>(a->cols)), rows = a->row_end - a->row_begin;
    mul_mat(static_cast<long>(rows), static_cast<long>(a->tokens), static_cast<long>(a->cols), kFormat.type,
            static_cast<const uint8_t*>(a->packed) + a->row_begin * w_row, static_cast<long>(w_row), taken[F],
            activations.data(), static_cast<long>(taken_row), a->y + a->row_begin, static_cast<long>(a->ldy), 0, 1);
    adapters::add_bias(*a);
  }

  /// Which activations the product takes, by a product of zeros.
  static const char* prepare() {
    constexpr size_t kCols = 256;
    const std::vector<uint8_t> w(row_size(kFormat.type, kCols)), x(kCols * sizeof(float));
    const auto takes = [&](int type) {
      const bool is_float = type == kF32;
      float y = 0;
      return is_float == (kFormat.activations == Format::floats) &&
             (type != kQ8_K || kFormat.activations == Format::q8_k) &&
             mul_mat(1, 1, kCols, kFormat.type, w.data(), static_cast<long>(w.size()), type, x.data(),
                     static_cast<long>(bytes_of_taken(type, kCols)), &y, 1, 0, 1);
    };
    constexpr std::array kTypes = {int{kF32}, int{kQ8_2_X4}, int{kQ8_K}};
    const auto* const type = std::find_if(kTypes.begin(), kTypes.end(), takes);
    if (type == kTypes.end()) {
      return "the library has no iqk_mul_mat of this type and such activations";
    }
    taken[F] = *type;
    return nullptr;
  }
};

// ---- the table ----

std::vector<assay_variant> variants;
void* library;

template <class F>
F* find(const char* name) {
  return reinterpret_cast<F*>(dlsym(library, name));
}

bool has(const char* feature) {
  auto* const f = find<int()>((std::string("ggml_cpu_has_") + feature).c_str());
  return f != nullptr && f() != 0;
}

struct Build {
  const char *label, *features;
};

/// What it was compiled for, as it says.
Build build_of_library() {
  if (has("avx512")) {
    return has("avx512_vnni") ? Build{"avx512_vnni", "v4,avx512_vnni,avx512_vbmi,avx512_bf16"} : Build{"avx512", "v4"};
  }
  return has("avx_vnni") ? Build{"avx_vnni", "v3,avx_vnni"} : Build{"avx2", "v3"};
}

template <size_t F>
void add(const Build& build) {
  const std::string_view name = find<const char*(int)>("ggml_type_name")(kFormats[F].type);
  if (name == kFormats[F].name) {
    variants.push_back(
        {kFormats[F].kernel, build.label, 2, build.features, reinterpret_cast<assay_any_fn>(IkProduct<F>::run),
         reinterpret_cast<assay_any_fn>(IkProduct<F>::pack), "file", 0, kFormats[F].claim, IkProduct<F>::prepare});
  }
}

template <size_t... F>
void add_all(const Build& build, std::index_sequence<F...>) {
  (add<F>(build), ...);
}

/// False: said why.
bool load(const char* path) {
  library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    std::fprintf(stderr, "ik: %s\n", dlerror());
    return false;
  }
  mul_mat = find<MulMat>("iqk_mul_mat");
  fp16_to_fp32 = find<float(uint16_t)>("ggml_fp16_to_fp32");
  row_size = find<size_t(int, int64_t)>("ggml_row_size");
  auto* const init = find<void*(InitParams)>("ggml_init");
  auto* const release = find<void(void*)>("ggml_free");
  if (mul_mat == nullptr || fp16_to_fp32 == nullptr || row_size == nullptr || init == nullptr || release == nullptr ||
      find<void>("ggml_type_name") == nullptr) {
    std::fprintf(stderr, "ik: the library lacks iqk_mul_mat or functions of ggml.h: it is not ik_llama.cpp's\n");
    return false;
  }
  if (!has("avx2")) {
    std::fprintf(stderr, "ik: the library was built without AVX2, and has no products then\n");
    return false;
  }
  release(init({size_t{1} << 16, nullptr, true}));  // fills its tables
  return true;
}

}  // namespace

extern "C" const assay_plugin* assay_plugin_v1(const char* argument) {
  if (*argument == 0) {
    std::fprintf(stderr, "ik: name the libggml.so that you have built behind a colon: --plugin ik.so:LIBGGML\n");
    return nullptr;
  }
  if (!load(argument)) {
    return nullptr;
  }
  add_all(build_of_library(), std::make_index_sequence<kFormats.size()>());
  if (variants.empty()) {
    std::fprintf(stderr, "ik: the library has none of the formats of weights that assay knows\n");
    return nullptr;
  }
  static const std::string path = argument;
  static const char* const files[] = {path.c_str(), nullptr};
  static const assay_plugin plugin = {assay_plugin_abi, sizeof plugin,   "ik", "0", "MIT",
                                      variants.data(),  variants.size(), files};
  return &plugin;
}
