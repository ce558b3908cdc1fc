// llama.cpp's products with weights that it lays out anew by eights of rows, where a CPU has AVX2, on trial: `assay check --plugin
// ggml_repack.so:FOLDER`. FOLDER as for ggml.cpp. Its own buffer lays them out, its gemm multiplies four tokens at once and its gemv what
// remains, over all of the rows, as its mul_mat does.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "harness/plugins/ggml_library.h"
#include "kernels/matmul/kernel.h"

namespace {

// ---- ggml's interface (ggml.h, ggml-backend.h, ggml-cpu.h, ggml-cpu/repack.h) ----

struct Context;
struct Tensor;
struct Buffer;
struct BufferType;
struct Device;
struct Registry;
struct InitParams {
  size_t mem_size;
  void* mem_buffer;
  bool no_alloc;
};
using Gem = void(int n, float* s, size_t bs, const void* vx, const void* vy, int nr, int nc);

struct Functions {
  Context* (*init)(InitParams);
  void (*free)(Context*);
  Tensor* (*matrix)(Context*, int type, int64_t cols, int64_t rows);
  Tensor* (*product)(Context*, Tensor*, Tensor*);
  void* (*data)(const Tensor*);
  Buffer* (*allocate)(Context*, BufferType*);
  void (*free_buffer)(Buffer*);
  void (*set)(Tensor*, const void* data, size_t offset, size_t bytes);
  size_t (*row_size)(int type, int64_t cols);
  const char* (*type_name)(int type);
  const char* (*name_of)(BufferType*);
  Device* (*device)(Registry*, size_t);
  bool (*supports)(Device*, const Tensor*);
  void* (*function_of)(Registry*, const char*);
  void (*log)(void (*)(int level, const char* text, void*), void*);
} ggml;

/// A format that has such a layout on x86, by ggml's number and name; its activations are Q8_0, or Q8_K.
struct Format {
  const char *kernel, *name;
  int type;
  bool with_q8_k;
};
constexpr std::array kFormats = {
    Format{"matmul_q4_0", "q4_0", 2, false},    Format{"matmul_iq4_nl", "iq4_nl", 20, false},
    Format{"matmul_mxfp4", "mxfp4", 39, false}, Format{"matmul_q2_k", "q2_K", 10, true},
    Format{"matmul_q4_k", "q4_K", 12, true},
};
constexpr size_t kRowsAtOnce = 8, kTokensAtOnce = 4;

std::array<Device*, kBuilds.size()> devices;
std::array<BufferType*, kBuilds.size()> buffer_types;
std::array<std::array<Gem*, kFormats.size()>, kBuilds.size()> gemm, gemv;

/// What ggml calls block_q8_0x4 and block_q8_Kx4: of four tokens' blocks the scales, then the rest, eight bytes of each in turn.
void interleave(uint8_t* to, const uint8_t* from, size_t blocks, size_t scale_bytes, size_t block_bytes) {
  constexpr size_t kPiece = 8;
  for (size_t token = 0; token < kTokensAtOnce; ++token) {
    for (size_t b = 0; b < blocks; ++b) {
      const uint8_t* const one = from + (token * blocks + b) * block_bytes;
      uint8_t* const four = to + b * kTokensAtOnce * block_bytes;
      std::memcpy(four + token * scale_bytes, one, scale_bytes);
      for (size_t i = 0; i < (block_bytes - scale_bytes) / kPiece; ++i) {
        std::memcpy(four + kTokensAtOnce * scale_bytes + (i * kTokensAtOnce + token) * kPiece,
                    one + scale_bytes + i * kPiece, kPiece);
      }
    }
  }
}

/// Some end in a function with an argument of 256 bits, behind which GCC puts no VZEROUPPER. They are called by code with AVX alone.
void leave_clean() { asm volatile("vzeroupper"); }

// ---- the kernels ----

template <size_t B, size_t F>
struct Product {
  static constexpr Format kFormat = kFormats[F];

  static size_t row_bytes(size_t cols) { return ggml.row_size(kFormat.type, static_cast<int64_t>(cols)); }

  static size_t pack(void* packed, const void* w, size_t rows, size_t cols) {
    const size_t bytes = rows * row_bytes(cols);
    if (packed != nullptr && bytes != 0) {
      Context* const context = ggml.init({size_t{1} << 12, nullptr, true});
      Tensor* const weights =
          ggml.matrix(context, kFormat.type, static_cast<int64_t>(cols), static_cast<int64_t>(rows));
      Buffer* const buffer = ggml.allocate(context, buffer_types[B]);
      ggml.set(weights, w, 0, bytes);
      std::memcpy(packed, ggml.data(weights), bytes);
      ggml.free_buffer(buffer);
      ggml.free(context);
    }
    return bytes;
  }

  static void run(const matmul_args* a) {
    static std::vector<uint8_t> four_by_four;
    const size_t rows = a->row_end - a->row_begin;
    constexpr size_t kBlock = kFormat.with_q8_k ? 292 : 34;  // bytes
    const size_t x_row = a->cols / (kFormat.with_q8_k ? 256 : 32) * kBlock;
    const auto* const x = static_cast<const uint8_t*>(a->x);
    const auto* const w = static_cast<const uint8_t*>(a->packed) + a->row_begin * row_bytes(a->cols);
    const size_t whole = a->tokens / kTokensAtOnce * kTokensAtOnce;
    const int n = static_cast<int>(a->cols);
    const int nc = static_cast<int>(rows);
    if (rows != 0 && whole != 0) {
      four_by_four.resize(whole * x_row);
      for (size_t t = 0; t < whole; t += kTokensAtOnce) {
        interleave(four_by_four.data() + t * x_row, x + t * x_row, x_row / kBlock, kFormat.with_q8_k ? 4 : 2, kBlock);
      }
      gemm[B][F](n, a->y + a->row_begin, a->ldy, w, four_by_four.data(), static_cast<int>(whole), nc);
      leave_clean();
    }
    for (size_t t = whole; t < a->tokens && rows != 0; ++t) {
      gemv[B][F](n, a->y + t * a->ldy + a->row_begin, a->ldy, w, x + t * x_row, 1, nc);
      leave_clean();
    }
    for (size_t t = 0; t < a->tokens && a->bias != nullptr; ++t) {
      for (size_t r = a->row_begin; r < a->row_end; ++r) {
        a->y[t * a->ldy + r] += a->bias[r];
      }
    }
  }
};

// ---- loading ----

bool find_functions() {
  return get(ggml.init, "ggml_init") && get(ggml.free, "ggml_free") && get(ggml.matrix, "ggml_new_tensor_2d") &&
         get(ggml.product, "ggml_mul_mat") && get(ggml.data, "ggml_get_data") &&
         get(ggml.allocate, "ggml_backend_alloc_ctx_tensors_from_buft") &&
         get(ggml.free_buffer, "ggml_backend_buffer_free") && get(ggml.set, "ggml_backend_tensor_set") &&
         get(ggml.row_size, "ggml_row_size") && get(ggml.type_name, "ggml_type_name") &&
         get(ggml.name_of, "ggml_backend_buft_name") && get(ggml.device, "ggml_backend_reg_dev_get") &&
         get(ggml.supports, "ggml_backend_dev_supports_op") &&
         get(ggml.function_of, "ggml_backend_reg_get_proc_address") && get(ggml.log, "ggml_log_set");
}

template <size_t B>
const char* find_buffer_type() {
  if (const char* const why = prepare_library<B>(); why != nullptr) {
    return why;
  }
  auto* const registry_of = find<Registry*()>(cpu_libraries[B], "ggml_backend_cpu_reg");
  Registry* const registry = registry_of == nullptr ? nullptr : registry_of();
  devices[B] = registry == nullptr ? nullptr : ggml.device(registry, 0);
  auto* const types_of =
      registry == nullptr
          ? nullptr
          : reinterpret_cast<BufferType** (*)(Device*)>(ggml.function_of(registry, "ggml_backend_dev_get_extra_bufts"));
  for (BufferType** type = types_of == nullptr ? nullptr : types_of(devices[B]); type != nullptr && *type != nullptr;
       ++type) {
    if (std::strcmp(ggml.name_of(*type), "CPU_REPACK") == 0) {
      buffer_types[B] = *type;
    }
  }
  return buffer_types[B] == nullptr ? "the library lays no weights out anew" : nullptr;
}

template <size_t B>
const char* prepare_build() {
  static const char* const why = find_buffer_type<B>();
  return why;
}

/// Whether the library takes weights of the format that lie in its buffer.
template <size_t B, size_t F>
bool takes_format() {
  constexpr int kF32 = 0;
  constexpr int64_t kCols = 256;
  Context* const context = ggml.init({size_t{1} << 12, nullptr, true});
  Context* const others = ggml.init({size_t{1} << 12, nullptr, true});
  Tensor* const weights = ggml.matrix(context, kFormats[F].type, kCols, kRowsAtOnce);
  Buffer* const buffer = ggml.allocate(context, buffer_types[B]);
  const bool takes = buffer != nullptr &&
                     ggml.supports(devices[B], ggml.product(others, weights, ggml.matrix(others, kF32, kCols, 1)));
  ggml.free_buffer(buffer);
  ggml.free(others);
  ggml.free(context);
  return takes;
}

template <size_t B, size_t F>
const char* prepare() {
  if (const char* const why = prepare_build<B>(); why != nullptr) {
    return why;
  }
  const std::string suffix = std::string(kFormats[F].name) + "_8x8_" + (kFormats[F].with_q8_k ? "q8_K" : "q8_0");
  gemm[B][F] = find<Gem>(cpu_libraries[B], ("ggml_gemm_" + suffix).c_str());
  gemv[B][F] = find<Gem>(cpu_libraries[B], ("ggml_gemv_" + suffix).c_str());
  return gemm[B][F] == nullptr || gemv[B][F] == nullptr || !takes_format<B, F>()
             ? "the library leaves weights of this type as they lie in the file"
             : nullptr;
}

// ---- the table ----

#define LAID_OUT                                                                                                     \
  "\"reentrant\": {\"value\": false, \"because\": \"the activations of four tokens are laid side by side in memory " \
  "of the adapter, "                                                                                                 \
  "as llama.cpp does in its graph's\"}, \"multiple_of\": {\"value\": {\"rows\": 8}, \"because\": \"rows lie by "     \
  "eights: llama.cpp leaves "                                                                                        \
  "other matrices as they are (ggml_repack_get_optimal_repack_type)\"}"
constexpr const char* kWithQ8_0 = "{" LAID_OUT
                                  ", \"exclude\": {\"value\": [\"code_of_minus_128\"], \"because\": \"signs are moved "
                                  "from one factor to the other by psignb, which "
                                  "leaves -128 as it is; quantize_row_q8_0 makes codes of -127 to 127\"}}";
constexpr const char* kWithQ8_K = "{" LAID_OUT
                                  ", \"exact_blocks\": {\"value\": false, \"because\": \"of the 256 columns of a block "
                                  "64 or 128 at a time are scaled and summed as floats\"}"
                                  ", \"exclude\": {\"value\": [\"wide\"], \"because\": \"what is multiplied first "
                                  "overflows where the result is near FLT_MAX\"}}";

template <size_t B, size_t F>
void add() {
  assay_variant& variant =
      add_variant(kFormats[F].kernel, 2, kBuilds[B].name, kBuilds[B].features, any(Product<B, F>::run));
  variant.pack = any(Product<B, F>::pack);
  variant.claim = kFormats[F].with_q8_k ? kWithQ8_K : kWithQ8_0;
  variant.prepare = prepare<B, F>;
}

template <size_t B, size_t... F>
void add_build(std::index_sequence<F...>) {
  if (has_build(B)) {
    (add<B, F>(), ...);
  }
}

template <size_t... B>
void add_builds(std::index_sequence<B...>) {
  (add_build<B>(std::make_index_sequence<kFormats.size()>()), ...);
}

}  // namespace

extern "C" const assay_plugin* assay_plugin_v1(const char* argument) {
  if (!open_base("ggml_repack", argument) || !find_functions()) {
    return nullptr;
  }
  ggml.log([](int, const char*, void*) {}, nullptr);  // it tells of each matrix that it lays out
  add_builds(std::make_index_sequence<kBuilds.size()>());
  return plugin_of_table();
}
