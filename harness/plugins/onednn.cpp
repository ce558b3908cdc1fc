// oneDNN's primitives on trial, and its sgemm: `assay check --plugin onednn.so[:ISA[:LIBRARY]]`. The library generates its code, for one
// limit in a process: "sse41", "avx", "avx2", ...; without one for all that the CPU has. Nothing of oneDNN is built or included: what is
// declared here is the C interface of its versions 2 (dnnl.h), whose descriptors are left to it.
#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "assay/plugin.h"
#include "harness/plugins/products.h"
#include "harness/plugins/setting.h"
#include "kernels/exp_f32/kernel.h"
#include "kernels/gelu_erf_f32/kernel.h"
#include "kernels/gelu_f32/kernel.h"
#include "kernels/layer_norm_f32/kernel.h"
#include "kernels/silu_f32/kernel.h"
#include "kernels/softmax_f32/kernel.h"

namespace {

// ---- oneDNN's interface ----

struct Engine;
struct Stream;
struct Memory;
struct Recipe;  // dnnl_primitive_desc
struct Primitive;
using Status = int;  // 0: success
using Dims = std::array<int64_t, 12>;
/// A descriptor of memory or of an operation: more than any of them takes (dnnl_types.h), filled by the library.
struct alignas(16) Descriptor {
  std::array<std::byte, 6144> bytes;
};
struct Argument {
  int number;
  Memory* memory;
};
enum { kCpu = 1, kInference = 96, kF32 = 3, kInOrder = 1, kUseScale = 8, kUseShift = 16 };
enum { kSource = 1, kDestination = 17, kWeights = 33, kBias = 41, kScale = 51, kShift = 52 };
enum { kAvx2 = 0x7 };
enum { kExp = 0xbf, kGeluTanh = 0xcf, kSwish = 0xdf, kGeluErf = 0x30 };

struct Version {
  int major, minor, patch;
};
struct {
  const Version* (*version)();
  Status (*set_max_cpu_isa)(int isa);
  int (*get_effective_cpu_isa)();
  Status (*engine_create)(Engine**, int kind, size_t index);
  Status (*stream_create)(Stream**, Engine*, unsigned flags);
  Status (*memory_desc_init_by_strides)(Descriptor*, int n_dims, const int64_t* dims, int type, const int64_t* strides);
  Status (*memory_create)(Memory**, const Descriptor*, Engine*, void* data);
  Status (*memory_set_data_handle)(Memory*, void* data);
  Status (*memory_destroy)(Memory*);
  Status (*eltwise_forward_desc_init)(Descriptor*, int kind, int function, const Descriptor* data, float a, float b);
  Status (*softmax_forward_desc_init)(Descriptor*, int kind, const Descriptor* data, int axis);
  Status (*layer_normalization_forward_desc_init)(Descriptor*, int kind, const Descriptor* data,
                                                  const Descriptor* statistics, float eps, unsigned flags);
  Status (*matmul_desc_init)(Descriptor*, const Descriptor* x, const Descriptor* w, const Descriptor* bias,
                             const Descriptor* y);
  Status (*primitive_desc_create)(Recipe**, const Descriptor*, const void* attributes, Engine*, const Recipe* hint);
  Status (*primitive_desc_destroy)(Recipe*);
  Status (*primitive_create)(Primitive**, const Recipe*);
  Status (*primitive_destroy)(Primitive*);
  Status (*primitive_execute)(const Primitive*, Stream*, int count, const Argument*);
  Status (*stream_wait)(Stream*);
  Status (*sgemm)(char trans_a, char trans_b, int64_t m, int64_t n, int64_t k, float alpha, const float* a, int64_t lda,
                  const float* b, int64_t ldb, float beta, float* c, int64_t ldc);
} dnnl;
Engine* engine;
Stream* stream;

/// A limit, by its number, and what code for it may execute. The instructions of code that is generated are not looked at: a check
/// knows no more than the library which memory is code.
struct Isa {
  const char* name;
  int number;
  const char *features, *label_of_sgemm;
};
constexpr std::array kIsas = {
    Isa{"sse41", 0x1, "sse4_1", "sse41-sgemm"},
    Isa{"avx", 0x3, "avx", "avx-sgemm"},
    Isa{"avx2", kAvx2, "avx2,fma", "avx2-sgemm"},
    Isa{"avx2_vnni", 0x407, "avx2,fma,avx_vnni", "avx2_vnni-sgemm"},
    Isa{"avx512_core", 0x27, "v4", "avx512_core-sgemm"},
    Isa{"avx512_core_vnni", 0x67, "v4,avx512_vnni", "avx512_core_vnni-sgemm"},
    Isa{"avx512_core_bf16", 0xe7, "v4,avx512_vnni,avx512_bf16", "avx512_core_bf16-sgemm"},
    Isa{"avx512_core_amx", 0x3e7, "v4,avx512_vnni,avx512_bf16,amx_int8,amx_bf16", "avx512_core_amx-sgemm"},
};

// ---- primitives ----

/// One operation's primitive, of the shape that was asked for last: to make one takes much longer than to execute it. Where the library
/// cannot make it, nothing is executed, which a check sees.
template <class Shape>
class Operation {
 public:
  /// Makes it by `describe`, which fills the descriptors of the memories and then of the operation.
  template <class Describe>
  bool is_ready(const Shape& shape, std::vector<int> numbers, const Describe& describe) {
    if (primitive_ != nullptr && shape == shape_) {
      return true;
    }
    clear();
    std::vector<Descriptor> memories(numbers.size());
    const auto operation = std::make_unique<Descriptor>();
    Recipe* recipe = nullptr;
    if (describe(memories, *operation) != 0 ||
        dnnl.primitive_desc_create(&recipe, operation.get(), nullptr, engine, nullptr) != 0) {
      return false;
    }
    if (dnnl.primitive_create(&primitive_, recipe) != 0) {
      primitive_ = nullptr;
    }
    dnnl.primitive_desc_destroy(recipe);
    for (size_t i = 0; i < numbers.size(); ++i) {
      arguments_.push_back({numbers[i], nullptr});
      dnnl.memory_create(&arguments_[i].memory, &memories[i], engine, nullptr);
    }
    shape_ = shape;
    return primitive_ != nullptr;
  }

  /// The addresses in the order of the numbers.
  void execute(std::initializer_list<const float*> addresses) const {
    size_t i = 0;
    for (const float* address : addresses) {
      dnnl.memory_set_data_handle(arguments_[i++].memory, const_cast<float*>(address));
    }
    dnnl.primitive_execute(primitive_, stream, static_cast<int>(i), arguments_.data());
    dnnl.stream_wait(stream);
  }

 private:
  void clear() {
    for (const Argument& argument : arguments_) {
      dnnl.memory_destroy(argument.memory);
    }
    arguments_.clear();
    if (primitive_ != nullptr) {
      dnnl.primitive_destroy(primitive_);
      primitive_ = nullptr;
    }
  }

  Shape shape_{};
  Primitive* primitive_ = nullptr;
  std::vector<Argument> arguments_;
};

Status describe_vector(Descriptor& d, size_t n) {
  const Dims dims = {static_cast<int64_t>(n)}, strides = {1};
  return dnnl.memory_desc_init_by_strides(&d, 1, dims.data(), kF32, strides.data());
}

Status describe_matrix(Descriptor& d, size_t rows, size_t cols, size_t row_step, size_t column_step) {
  const Dims dims = {static_cast<int64_t>(rows), static_cast<int64_t>(cols)};
  const Dims strides = {static_cast<int64_t>(row_step), static_cast<int64_t>(column_step)};
  return dnnl.memory_desc_init_by_strides(&d, 2, dims.data(), kF32, strides.data());
}

// ---- the kernels ----

template <int Function>
void elementwise(float* y, const float* x, size_t n) {
  static Operation<size_t> operation;
  if (operation.is_ready(n, {kSource, kDestination}, [&](std::vector<Descriptor>& memories, Descriptor& d) {
        return describe_vector(memories[0], n) | describe_vector(memories[1], n) |
               dnnl.eltwise_forward_desc_init(&d, kInference, Function, memories.data(), 1, 0);
      })) {
    operation.execute({x, y});
  }
}

/// The library's has no scale: x is multiplied by it first, into y.
void softmax(float* y, const float* x, float scale, size_t n) {
  static Operation<size_t> operation;
  std::transform(x, x + n, y, [=](float v) { return scale * v; });
  if (operation.is_ready(n, {kSource, kDestination}, [&](std::vector<Descriptor>& memories, Descriptor& d) {
        return describe_matrix(memories[0], 1, n, n, 1) | describe_matrix(memories[1], 1, n, n, 1) |
               dnnl.softmax_forward_desc_init(&d, kInference, memories.data(), 1);
      })) {
    operation.execute({y, y});
  }
}

void layer_norm(float* y, const float* x, const float* w, const float* b, float eps, size_t n) {
  static Operation<std::pair<size_t, float>> operation;
  if (operation.is_ready({n, eps}, {kSource, kDestination, kScale, kShift},
                         [&](std::vector<Descriptor>& memories, Descriptor& d) {
                           return describe_matrix(memories[0], 1, n, n, 1) | describe_matrix(memories[1], 1, n, n, 1) |
                                  describe_vector(memories[2], n) | describe_vector(memories[3], n) |
                                  dnnl.layer_normalization_forward_desc_init(&d, kInference, memories.data(), nullptr,
                                                                             eps, kUseScale | kUseShift);
                         })) {
    operation.execute({x, y, w, b});
  }
}

/// y (tokens x rows) = x (tokens x cols) times w (rows x cols) transposed. Of products of nothing its primitive divides by 0 or its sgemm writes
/// nothing (reports/peers/libraries.md).
void matmul(const matmul_args* a) {
  if (adapters::is_empty(*a)) {
    return;
  }
  static Operation<std::array<size_t, 5>> operation;
  const size_t rows = a->row_end - a->row_begin, cols = a->cols, has_bias = a->bias != nullptr ? 1 : 0;
  std::vector<int> numbers = {kSource, kWeights, kDestination};
  if (has_bias != 0) {
    numbers.push_back(kBias);
  }
  const auto describe = [&](std::vector<Descriptor>& memories, Descriptor& d) {
    return describe_matrix(memories[0], a->tokens, cols, cols, 1) | describe_matrix(memories[1], cols, rows, 1, cols) |
           describe_matrix(memories[2], a->tokens, rows, a->ldy, 1) |
           (has_bias != 0 ? describe_matrix(memories[3], 1, rows, rows, 1) : 0) |
           dnnl.matmul_desc_init(&d, memories.data(), &memories[1], has_bias != 0 ? &memories[3] : nullptr,
                                 &memories[2]);
  };
  if (!operation.is_ready({rows, cols, a->tokens, a->ldy, has_bias}, numbers, describe)) {
    return;
  }
  const auto* const x = static_cast<const float*>(a->x);
  const float *const w = adapters::first_row(*a), *const y = a->y + a->row_begin;
  has_bias != 0 ? operation.execute({x, w, y, a->bias + a->row_begin}) : operation.execute({x, w, y});
}

void sgemm(const matmul_args* a) {
  if (adapters::is_empty(*a)) {
    return;
  }
  const auto cols = static_cast<int64_t>(a->cols);
  dnnl.sgemm('N', 'T', static_cast<int64_t>(a->tokens), static_cast<int64_t>(a->row_end - a->row_begin), cols, 1,
             static_cast<const float*>(a->x), cols, adapters::first_row(*a), cols, 0, a->y + a->row_begin,
             static_cast<int64_t>(a->ldy));
  adapters::add_bias(*a);
}

// ---- the table ----

constexpr char kClaim[] =
    R"({"reentrant": {"value": false, "because": "a primitive is made for a shape and kept, and its memories are given their addresses before each call"}})";
constexpr char kSgemmClaim[] =
    R"({"reentrant": {"value": false, "because": "a call packs into memory that it takes from the heap"}})";

/// Below AVX2 its C++ does it (simple_layer_normalization.cpp).
constexpr char kNormClaim[] =
    R"({"bound_factor": {"value": 4, "because": "the compiler's vectors of 4 sums: n/4 roundings, not n/16"}, )"
    R"("exclude": {"value": ["any_bits", "special"], "because": "w / sqrt(v + eps) is computed first, and may overflow"}, )"
    R"("reentrant": {"value": false, "because": "as for the other primitives"}})";

std::vector<assay_variant> variants;
std::string version;

template <class F>
bool find(void* library, const char* name, F*& function) {
  function = reinterpret_cast<F*>(dlsym(library, (std::string("dnnl_") + name).c_str()));
  if (function == nullptr) {
    std::fprintf(stderr, "onednn: the library has no dnnl_%s: this adapter is for versions 2\n", name);
  }
  return function != nullptr;
}

#define FIND(name) find(library, #name, dnnl.name)
bool find_all(void* library) {
  return FIND(version) && FIND(set_max_cpu_isa) && FIND(get_effective_cpu_isa) && FIND(engine_create) &&
         FIND(stream_create) && FIND(memory_desc_init_by_strides) && FIND(memory_create) &&
         FIND(memory_set_data_handle) && FIND(memory_destroy) && FIND(eltwise_forward_desc_init) &&
         FIND(softmax_forward_desc_init) && FIND(layer_normalization_forward_desc_init) && FIND(matmul_desc_init) &&
         FIND(primitive_desc_create) && FIND(primitive_desc_destroy) && FIND(primitive_create) &&
         FIND(primitive_destroy) && FIND(primitive_execute) && FIND(stream_wait) && FIND(sgemm);
}
#undef FIND

/// The limit that was asked for, set; or that of the CPU. nullptr: said why there is none.
const Isa* choose(const std::string& wanted) {
  const auto* isa = std::find_if(kIsas.begin(), kIsas.end(), [&](const Isa& one) { return wanted == one.name; });
  if (wanted.empty()) {
    const int number = dnnl.get_effective_cpu_isa();
    isa = std::find_if(kIsas.begin(), kIsas.end(), [&](const Isa& one) { return number == one.number; });
  } else if (isa != kIsas.end() && dnnl.set_max_cpu_isa(isa->number) != 0) {
    std::fprintf(stderr, "onednn: the library takes no limit '%s'\n", wanted.c_str());
    return nullptr;
  }
  if (isa == kIsas.end()) {
    std::fprintf(stderr, "onednn: no limit '%s' of instructions; there are:", wanted.c_str());
    for (const Isa& one : kIsas) {
      std::fprintf(stderr, " %s", one.name);
    }
    std::fprintf(stderr, "\n");
    return nullptr;
  }
  return isa;
}

template <class R, class... A>
void add(const char* kernel, const char* label, unsigned contract, const Isa& isa, R (*run)(A...), const char* claim) {
  const bool packs = std::is_same_v<R(A...), void(const matmul_args*)>;
  variants.push_back({kernel, label, contract, isa.features, reinterpret_cast<assay_any_fn>(run),
                      packs ? reinterpret_cast<assay_any_fn>(adapters::pack_float_rows) : nullptr,
                      packs ? "rows" : nullptr, 0, claim, nullptr});
}

}  // namespace

extern "C" const assay_plugin* assay_plugin_v1(const char* argument) {
  setenv("OMP_NUM_THREADS", "1", 1);  // a kernel runs in the thread that calls it
  const adapters::Setting setting = adapters::parse_setting(argument);
  void* const library =
      dlopen(setting.library.empty() ? "libdnnl.so.2" : setting.library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    std::fprintf(stderr, "onednn: %s\n", dlerror());
    return nullptr;
  }
  if (!find_all(library)) {
    return nullptr;
  }
  // Another library may have begun OpenMP before the variable was set.
  auto* const set_threads = reinterpret_cast<void (*)(int)>(dlsym(library, "omp_set_num_threads"));
  if (set_threads != nullptr) {
    set_threads(1);
  }
  const Isa* const isa = choose(setting.setting);
  if (isa == nullptr) {
    return nullptr;
  }
  Dl_info file;
  if (dnnl.engine_create(&engine, kCpu, 0) != 0 || dnnl.stream_create(&stream, engine, kInOrder) != 0 ||
      dladdr(reinterpret_cast<void*>(dnnl.version), &file) == 0) {
    std::fprintf(stderr, "onednn: the library cannot make an engine for the CPU\n");
    return nullptr;
  }
  add("exp_f32", isa->name, 1, *isa, elementwise<kExp>, kClaim);
  add("silu_f32", isa->name, 1, *isa, elementwise<kSwish>, kClaim);
  add("gelu_f32", isa->name, 1, *isa, elementwise<kGeluTanh>, kClaim);
  add("gelu_erf_f32", isa->name, 1, *isa, elementwise<kGeluErf>, kClaim);
  add("softmax_f32", isa->name, 2, *isa, softmax, kClaim);
  add("layer_norm_f32", isa->name, 2, *isa, layer_norm, isa->number < kAvx2 ? kNormClaim : kClaim);
  add("matmul_f32", isa->name, 2, *isa, matmul, kClaim);
  add("matmul_f32", isa->label_of_sgemm, 2, *isa, sgemm, kSgemmClaim);
  const auto* const number = dnnl.version();
  version = std::to_string(number->major) + "." + std::to_string(number->minor) + "." + std::to_string(number->patch);
  static const char* const files[] = {file.dli_fname, nullptr};
  static const assay_plugin plugin = {assay_plugin_abi, sizeof plugin,   "onednn",        version.c_str(),
                                      "Apache-2.0",     variants.data(), variants.size(), files};
  return &plugin;
}
