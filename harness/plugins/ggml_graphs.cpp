// What llama.cpp computes through its graphs alone on trial, `assay check --plugin ggml_graphs.so:FOLDER`: norms, softmax, rope, activations and
// flash attention, each a graph of one operation, or of those that llama.cpp puts in a row. FOLDER as for ggml.cpp. Tensors lie where the
// harness has its buffers, so that what is read or written beside them is seen.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "harness/plugins/ggml_library.h"
#include "kernels/attention/kernel.h"
#include "kernels/attention_f32/kernel.h"
#include "kernels/rope_f32/kernel.h"

namespace {

// ---- ggml's interface (ggml.h, ggml-backend.h, ggml-cpu.h) ----

struct Context;
struct Tensor;
struct Cgraph;
struct Backend;
struct InitParams {
  size_t mem_size;
  void* mem_buffer;
  bool no_alloc;
};
struct TypeTraits {
  const char* type_name;
  int64_t blck_size, blck_size_interleave;
  size_t type_size;
  bool is_quantized;
  void (*to_float)(const void* x, float* y, int64_t k);
};
enum Type { kF32 = 0, kF16 = 1, kQ8_0 = 8, kI32 = 26 };
using Unary = Tensor*(Context*, Tensor*);
using Binary = Tensor*(Context*, Tensor*, Tensor*);
using WithNumber = Tensor*(Context*, Tensor*, float);

struct Functions {
  Context* (*init)(InitParams);
  void (*free)(Context*);
  Tensor* (*new_tensor)(Context*, int type, int dims, const int64_t* ne);
  Tensor* (*view)(Context*, Tensor*, int64_t, int64_t, int64_t, size_t nb1, size_t nb2, size_t offset);
  void* (*data)(const Tensor*);
  Cgraph* (*new_graph)(Context*, size_t size, bool grads);
  void (*expand)(Cgraph*, Tensor*);
  int (*compute)(Backend*, Cgraph*);
  const TypeTraits* (*traits)(int type);
  Unary *silu, *gelu, *gelu_erf, *exp;
  Binary *add, *mul, *swiglu, *geglu;
  WithNumber *rms_norm, *norm, *scale;
  Tensor* (*soft_max)(Context*, Tensor*, Tensor* mask, float scale, float max_bias);
  Tensor* (*rope)(Context*, Tensor*, Tensor* positions, Tensor* factors, int dims, int mode, int context, float base,
                  float scale, float ext_factor, float attn_factor, float beta_fast, float beta_slow);
  Tensor* (*attention)(Context*, Tensor* q, Tensor* k, Tensor* v, Tensor* mask, float scale, float max_bias,
                       float softcap);
  void (*set_precision)(Tensor*, int precision);
} ggml;

std::array<Backend*, kBuilds.size()> backends;
size_t offset_of_data;  // in a Tensor, whose other fields are of no matter here

/// One computation of a build, in memory of this plug-in: one at a time.
class Graph {
 public:
  explicit Graph(size_t build) : backend_(backends[build]), context_(ggml.init({sizeof memory_, memory_, true})) {}
  ~Graph() { ggml.free(context_); }
  Graph(const Graph&) = delete;

  Context* context() const { return context_; }

  Tensor* tensor(int type, const void* data, size_t n0, size_t n1 = 1, size_t n2 = 1) const {
    const int64_t ne[3] = {static_cast<int64_t>(n0), static_cast<int64_t>(n1), static_cast<int64_t>(n2)};
    return put(ggml.new_tensor(context_, type, 3, ne), data);
  }
  Tensor* vector(const float* data, size_t n) const { return tensor(kF32, data, n); }
  /// The same with distances in bytes.
  Tensor* apart(int type, const void* data, size_t n0, size_t n1, size_t n2, size_t nb1, size_t nb2) const {
    return ggml.view(context_, tensor(type, data, n0 * n1 * n2), static_cast<int64_t>(n0), static_cast<int64_t>(n1),
                     static_cast<int64_t>(n2), nb1, nb2, 0);
  }

  /// Says where the tensor's data lie.
  static Tensor* put(Tensor* tensor, const void* data) {
    std::memcpy(reinterpret_cast<char*>(tensor) + offset_of_data, &data, sizeof data);
    return tensor;
  }

  void compute(Tensor* result) const {
    Cgraph* const graph = ggml.new_graph(context_, kMostNodes, false);
    ggml.expand(graph, result);
    if (ggml.compute(backend_, graph) != 0) {
      std::fprintf(stderr, "ggml_graphs: the backend does not compute the graph\n");
    }
  }

 private:
  static constexpr size_t kMostNodes = 16;
  alignas(64) static inline unsigned char memory_[size_t{1} << 16];
  Backend* backend_;
  Context* context_;
};

// ---- the kernels ----

template <size_t B, Unary* Functions::*kFunction>
void unary(float* y, const float* x, size_t n) {
  if (n != 0) {
    const Graph g(B);
    g.compute(g.put((ggml.*kFunction)(g.context(), g.vector(x, n)), y));
  }
}

template <size_t B, Binary* Functions::*kFunction>
void binary(float* z, const float* x, const float* y, size_t n) {
  if (n != 0) {
    const Graph g(B);
    g.compute(g.put((ggml.*kFunction)(g.context(), g.vector(x, n), g.vector(y, n)), z));
  }
}

template <size_t B>
void scaled(float* y, const float* x, float s, size_t n) {
  if (n != 0) {
    const Graph g(B);
    g.compute(g.put(ggml.scale(g.context(), g.vector(x, n), s), y));
  }
}

template <size_t B>
void rms_norm(float* y, const float* x, const float* w, float eps, size_t n) {
  if (n != 0) {
    const Graph g(B);
    Tensor* const normed = g.put(ggml.rms_norm(g.context(), g.vector(x, n), eps), y);
    g.compute(g.put(ggml.mul(g.context(), normed, g.vector(w, n)), y));
  }
}

template <size_t B>
void layer_norm(float* y, const float* x, const float* w, const float* b, float eps, size_t n) {
  if (n != 0) {
    const Graph g(B);
    Tensor* const normed = g.put(ggml.norm(g.context(), g.vector(x, n), eps), y);
    Tensor* const weighed = g.put(ggml.mul(g.context(), normed, g.vector(w, n)), y);
    g.compute(g.put(ggml.add(g.context(), weighed, g.vector(b, n)), y));
  }
}

template <size_t B>
void softmax(float* y, const float* x, float scale, size_t n) {
  if (n != 0) {
    const Graph g(B);
    g.compute(g.put(ggml.soft_max(g.context(), g.vector(x, n), nullptr, scale, 0), y));
  }
}

/// What ggml takes for frequencies: those of a base, of which each follows from the one before, or any by what divides the position.
struct Frequencies {
  float base = 1, scale = 1;
  std::vector<float> divisors;

  Frequencies(const double* f, size_t count) {
    const double of_base = count > 1 ? std::pow(f[0] / f[1], static_cast<double>(count)) : 1;
    base = static_cast<float>(of_base);
    scale = count > 0 ? static_cast<float>(f[0]) : 1;
    bool fits = std::isfinite(of_base) && std::fabs(static_cast<double>(base) / of_base - 1) < 1e-9;
    for (size_t i = 0; i < count && fits; ++i) {
      const double power = std::pow(of_base, -static_cast<double>(i) / static_cast<double>(count));
      fits = std::fabs(f[i] - f[0] * power) <= 1e-9 * std::fabs(f[i]);
    }
    if (!fits) {
      base = scale = 1;
      for (size_t i = 0; i < count; ++i) {
        divisors.push_back(static_cast<float>(1 / f[i]));
      }
    }
  }
};

/// In place, as llama.cpp's allocator lays it: the rows are copied first.
template <size_t B>
void rope(const rope_f32_args* a) {
  constexpr int kHalves = 2;  // GGML_ROPE_TYPE_NEOX
  if (a->tokens == 0 || a->heads == 0 || a->d == 0) {
    return;
  }
  for (size_t t = 0; t < a->tokens && a->y != a->x; ++t) {
    std::memcpy(a->y + t * a->ldy, a->x + t * a->ldx, a->heads * a->d * sizeof(float));
  }
  if (a->rotated == 0) {
    return;
  }
  const Frequencies frequencies(a->frequencies, a->rotated / 2);
  const Graph g(B);
  Tensor* const y = g.apart(kF32, a->y, a->d, a->heads, a->tokens, a->d * sizeof(float), a->ldy * sizeof(float));
  Tensor* const divisors =
      frequencies.divisors.empty() ? nullptr : g.vector(frequencies.divisors.data(), frequencies.divisors.size());
  g.compute(ggml.rope(g.context(), y, g.tensor(kI32, a->positions, a->tokens), divisors, static_cast<int>(a->rotated),
                      a->halves != 0 ? kHalves : 0, 4096, frequencies.base, frequencies.scale, 0, a->scale, 32, 1));
}

/// Attention of a group of heads to keys and values of a type, by a mask.
struct FlashAttention {
  float* out;
  const float* q;
  const void *k, *v;
  size_t ldo, ldq, ldk, ldv;  ///< ldk and ldv: bytes
  size_t n_q, keys, d, group;
  float scale, softcap;

  /// `sees(i, j)`: whether query i sees key j.
  template <class Sees>
  void run(size_t build, int type, const Sees& sees) const {
    constexpr size_t kPadding = 64;       // of the mask's rows: GGML_KQ_MASK_PAD of older versions
    constexpr uint16_t kMasked = 0xfc00;  // -Inf
    constexpr int kPrecision = 10;        // GGML_PREC_F32, as llama.cpp asks for
    static std::vector<uint16_t> mask;
    static std::vector<float> compact;
    const size_t rows = (n_q + kPadding - 1) / kPadding * kPadding;
    mask.assign(rows * keys, kMasked);
    for (size_t i = 0; i < n_q; ++i) {
      for (size_t j = 0; j < keys; ++j) {
        mask[i * keys + j] = sees(i, j) ? 0 : kMasked;
      }
    }
    const Graph g(build);
    Tensor* const result =
        ggml.attention(g.context(), g.apart(kF32, q, d, n_q, group, ldq * sizeof(float), d * sizeof(float)),
                       g.apart(type, k, d, keys, 1, ldk, ldk * keys), g.apart(type, v, d, keys, 1, ldv, ldv * keys),
                       g.tensor(kF16, mask.data(), keys, rows), scale, 0, softcap);
    ggml.set_precision(result, kPrecision);
    const size_t row = group * d;
    const bool is_close = ldo == row;  // ggml has no distance between rows of results
    compact.resize(is_close ? 0 : n_q * row);
    g.compute(g.put(result, is_close ? out : compact.data()));
    for (size_t i = 0; i < n_q && !is_close; ++i) {
      std::memcpy(out + i * ldo, compact.data() + i * row, row * sizeof(float));
    }
  }
};

template <size_t B>
void attention_f32(const attention_f32_args* a) {
  if (a->n_q != 0) {
    const FlashAttention f = {
        a->out,          a->q, a->k, a->v,     a->ldo, a->ldq, a->ldk * sizeof(float), a->ldv * sizeof(float), a->n_q,
        a->pos + a->n_q, a->d, 1,    a->scale, 0};
    f.run(B, kF32, [&](size_t i, size_t j) { return j <= a->pos + i; });
  }
}

bool is_seen(const attention_args& a, size_t i, size_t j) {
  const size_t end = a.pos + i + 1;
  const size_t first = a.window != 0 && end > a.window ? end - a.window : 0;
  return j >= std::max(first, a.key_begin) && j < std::min(end, a.key_end);
}

/// What joins parts of the keys, which ggml has nothing for: so this is the adapter's own.
void write_stats(const attention_args& a, int type) {
  std::vector<float> key(a.d);
  std::vector<double> scores;
  for (size_t i = 0; i < a.n_q; ++i) {
    for (size_t h = 0; h < a.group; ++h) {
      const float* const q = a.q + i * a.ldq + h * a.d;
      scores.clear();
      for (size_t j = 0; j < a.pos + a.n_q; ++j) {
        if (is_seen(a, i, j)) {
          ggml.traits(type)->to_float(static_cast<const char*>(a.k) + j * a.ldk, key.data(), static_cast<int64_t>(a.d));
          double dot = 0;
          for (size_t e = 0; e < a.d; ++e) {
            dot += static_cast<double>(q[e]) * static_cast<double>(key[e]);
          }
          dot *= static_cast<double>(a.scale);
          const auto cap = static_cast<double>(a.softcap);
          scores.push_back(cap != 0 ? cap * std::tanh(dot / cap) : dot);
        }
      }
      double largest = -std::numeric_limits<double>::infinity(), sum = 0;
      for (const double s : scores) {
        largest = std::max(largest, s);
      }
      for (const double s : scores) {
        sum += s < 0 && std::isinf(s) ? 0 : std::exp(s - largest);
      }
      float* const stats = a.stats + 2 * (i * a.group + h);
      stats[0] = static_cast<float>(largest);
      stats[1] = static_cast<float>(sum);
    }
  }
}

template <size_t B, int kType>
void attention(const attention_args* a) {
  if (a->n_q == 0) {
    return;
  }
  const FlashAttention f = {a->out,          a->q, a->k,     a->v,     a->ldo,    a->ldq, a->ldk, a->ldv, a->n_q,
                            a->pos + a->n_q, a->d, a->group, a->scale, a->softcap};
  f.run(B, kType, [&](size_t i, size_t j) { return is_seen(*a, i, j); });
  if (a->stats != nullptr) {
    write_stats(*a, kType);
  }
}

// ---- loading ----

/// Where a tensor has its data is found by what it says of one.
bool find_offset_of_data() {
  alignas(64) static unsigned char memory[4096];
  constexpr size_t kLargestTensor = 512;
  Context* const context = ggml.init({sizeof memory, memory, false});
  const int64_t one = 1;
  Tensor* const tensor = ggml.new_tensor(context, kF32, 1, &one);
  const void* const data = ggml.data(tensor);
  for (size_t at = 0; at < kLargestTensor && offset_of_data == 0; at += sizeof data) {
    if (std::memcmp(reinterpret_cast<char*>(tensor) + at, &data, sizeof data) == 0) {
      offset_of_data = at;
    }
  }
  ggml.free(context);
  return offset_of_data != 0;
}

bool find_functions() {
  return get(ggml.init, "ggml_init") && get(ggml.free, "ggml_free") && get(ggml.new_tensor, "ggml_new_tensor") &&
         get(ggml.view, "ggml_view_3d") && get(ggml.data, "ggml_get_data") &&
         get(ggml.new_graph, "ggml_new_graph_custom") && get(ggml.expand, "ggml_build_forward_expand") &&
         get(ggml.compute, "ggml_backend_graph_compute") && get(ggml.traits, "ggml_get_type_traits") &&
         get(ggml.silu, "ggml_silu") && get(ggml.gelu, "ggml_gelu") && get(ggml.gelu_erf, "ggml_gelu_erf") &&
         get(ggml.exp, "ggml_exp") && get(ggml.add, "ggml_add") && get(ggml.mul, "ggml_mul") &&
         get(ggml.swiglu, "ggml_swiglu_split") && get(ggml.geglu, "ggml_geglu_split") &&
         get(ggml.rms_norm, "ggml_rms_norm") && get(ggml.norm, "ggml_norm") && get(ggml.scale, "ggml_scale") &&
         get(ggml.soft_max, "ggml_soft_max_ext") && get(ggml.rope, "ggml_rope_ext_inplace") &&
         get(ggml.attention, "ggml_flash_attn_ext") && get(ggml.set_precision, "ggml_flash_attn_ext_set_prec");
}

template <size_t B>
const char* make_backend() {
  if (const char* const why = prepare_library<B>(); why != nullptr) {
    return why;
  }
  auto* const make = find<Backend*()>(cpu_libraries[B], "ggml_backend_cpu_init");
  auto* const set_threads = find<void(Backend*, int)>(cpu_libraries[B], "ggml_backend_cpu_set_n_threads");
  if (make == nullptr || set_threads == nullptr || (backends[B] = make()) == nullptr) {
    return "the library makes no backend";
  }
  set_threads(backends[B], 1);
  return nullptr;
}

template <size_t B>
const char* prepare() {
  static const char* const why = make_backend<B>();
  return why;
}

// ---- the table ----

#define ONE_AT_A_TIME                                                                                             \
  "\"reentrant\": {\"value\": false, \"because\": \"a graph is built in memory of the adapter, and one backend, " \
  "whose work "                                                                                                   \
  "memory and threads are its own, computes it\"}"

#define EXCLUDE(classes, because) ", \"exclude\": {\"value\": [" classes "], \"because\": \"" because "\"}"
#define FACTOR(factor, because) ", \"bound_factor\": {\"value\": " factor ", \"because\": \"" because "\"}"
constexpr const char* kNoMaskedRows =
    "{" ONE_AT_A_TIME EXCLUDE("\"special\"", "a row of -Inf alone gives NaN, as its largest, -Inf, is subtracted") "}";
constexpr const char* kEvenHeads =
    "{" ONE_AT_A_TIME
    ", \"multiple_of\": {\"value\": {\"d\": 2}, \"because\": \"what is not turned is copied by pairs\"}}";
#define LARGE "\"special\", \"constant\", \"huge\", \"wide\", \"extreme\", \"subnormals\""
constexpr const char* kQueriesInHalf = "{" ONE_AT_A_TIME EXCLUDE(LARGE, "queries over 65504 are Inf in fp16")
    FACTOR("2000", "queries are rounded to fp16 before they are multiplied") "}";
constexpr const char* kQueriesInQ8_0 =
    "{" ONE_AT_A_TIME EXCLUDE(LARGE, "queries over 127 x 65504 have a scale of Inf in Q8_0")
        FACTOR("20000", "queries are rounded to Q8_0 before they are multiplied") "}";

template <size_t B>
void add(const char* kernel, unsigned contract, assay_any_fn run, const char* claim = "{" ONE_AT_A_TIME "}") {
  assay_variant& variant = add_variant(kernel, contract, kBuilds[B].name, kBuilds[B].features, run);
  variant.claim = claim;
  variant.prepare = prepare<B>;
}

template <size_t B>
void add_build() {
  if (!has_build(B)) {
    return;
  }
  add<B>("rms_norm_f32", 2, any(rms_norm<B>));
  add<B>("layer_norm_f32", 2, any(layer_norm<B>));
  add<B>("softmax_f32", 2, any(softmax<B>), kNoMaskedRows);
  add<B>("rope_f32", 1, any(rope<B>), kEvenHeads);
  add<B>("silu_f32", 1, any(unary<B, &Functions::silu>));
  add<B>("gelu_f32", 1, any(unary<B, &Functions::gelu>));
  add<B>("gelu_erf_f32", 1, any(unary<B, &Functions::gelu_erf>));
  add<B>("exp_f32", 1, any(unary<B, &Functions::exp>));
  add<B>("swiglu_f32", 1, any(binary<B, &Functions::swiglu>));
  add<B>("geglu_f32", 1, any(binary<B, &Functions::geglu>));
  add<B>("add_f32", 1, any(binary<B, &Functions::add>));
  add<B>("mul_f32", 1, any(binary<B, &Functions::mul>));
  add<B>("scale_f32", 1, any(scaled<B>));
  add<B>("attention_f32", 3, any(attention_f32<B>));
  add<B>("attention_f16", 1, any(attention<B, kF16>), kQueriesInHalf);
  add<B>("attention_q8_0", 1, any(attention<B, kQ8_0>), kQueriesInQ8_0);
}

template <size_t... B>
void add_builds(std::index_sequence<B...>) {
  (add_build<B>(), ...);
}

}  // namespace

extern "C" const assay_plugin* assay_plugin_v1(const char* argument) {
  if (!open_base("ggml_graphs", argument) || !find_functions()) {
    return nullptr;
  }
  if (!find_offset_of_data()) {
    std::fprintf(stderr,
                 "ggml_graphs: a tensor of this libggml-base.so is laid out otherwise: its data are not found\n");
    return nullptr;
  }
  add_builds(std::make_index_sequence<kBuilds.size()>());
  return plugin_of_table();
}
