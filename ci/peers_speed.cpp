// Products of assay's runner beside those of llama.cpp and ik_llama.cpp, in one process and on one thread: ci/peers.sh runs it. Nothing
// of theirs is built or included: what is declared here is the C interface of their libraries.
//
// usage: peers_speed FOLDER CPU ISAS [FORMATS [IK]]
//   FOLDER   of libggml-base.so and libggml-cpu-<CPU>.so
//   CPU      "haswell", "icelake", ...: the libraries are built for one each
//   ISAS     of ours, separated by commas: the fastest of them is shown
//   FORMATS  separated by commas, or "all", or "attention": that over a cache in fp16 instead of products
//   IK       a libggml.so of ik_llama.cpp, which somebody has built
#include <dlfcn.h>
#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "harness/bench/peak.h"
#include "harness/check/blocks.h"
#include "harness/runtime/dispatch.h"
#include "harness/runtime/error.h"
#include "harness/runtime/formats.h"
#include "harness/runtime/registry.h"
#include "runner/block.h"
#include "runner/linear.h"
#include "runner/weights.h"

using namespace assay;

namespace {

struct ggml_context;
struct ggml_tensor;
struct ggml_cgraph;
struct ggml_buffer;
struct ggml_buffer_type;
struct ggml_backend;
struct ggml_device;
struct ggml_reg;
struct ggml_init_params {
  size_t mem_size;
  void* mem_buffer;
  bool no_alloc;
};

/// llama.cpp's library for one CPU, or ik_llama.cpp's, which is older and has no devices.
class Ggml {
 public:
  explicit Ggml(const std::string& path) : base_(open(path)), of_cpu_(base_) {
    backend_ = find<ggml_backend*()>(base_, "ggml_backend_cpu_init")();
    find<void(ggml_backend*, int)>(base_, "ggml_backend_cpu_set_n_threads")(backend_, 1);
    buffer_types_.push_back(find<ggml_buffer_type*()>(base_, "ggml_backend_cpu_buffer_type")());
  }
  Ggml(const std::string& folder, const std::string& cpu)
      : base_(open(folder + "/libggml-base.so")), of_cpu_(open(folder + "/libggml-cpu-" + cpu + ".so")) {
    if (find<int()>(of_cpu_, "ggml_backend_score")() == 0) {
      throw MachineError(fmt::format("llama.cpp's library for {} does not run on this CPU", cpu));
    }
    auto* const reg = find<ggml_reg*()>(of_cpu_, "ggml_backend_cpu_reg")();
    device_ = find<ggml_device*(ggml_reg*, size_t)>(base_, "ggml_backend_reg_dev_get")(reg, 0);
    backend_ = find<ggml_backend*()>(of_cpu_, "ggml_backend_cpu_init")();
    find<void(ggml_backend*, int)>(of_cpu_, "ggml_backend_cpu_set_n_threads")(backend_, 1);
    buffer_types_.push_back(find<ggml_buffer_type*(ggml_device*)>(base_, "ggml_backend_dev_buffer_type")(device_));
    // Those that lay weights out anew.
    auto* const extra = reinterpret_cast<ggml_buffer_type** (*)(ggml_device*)>(find<void*(ggml_reg*, const char*)>(
        base_, "ggml_backend_reg_get_proc_address")(reg, "ggml_backend_dev_get_extra_bufts"));
    for (ggml_buffer_type** type = extra != nullptr ? extra(device_) : nullptr; type != nullptr && *type != nullptr;
         ++type) {
      buffer_types_.push_back(*type);
    }
  }

  template <class F>
  F* base(const char* name) const {
    return find<F>(base_, name);
  }
  ggml_backend* backend() const { return backend_; }
  bool supports(const ggml_tensor* operation) const {
    return device_ != nullptr
               ? base<bool(ggml_device*, const ggml_tensor*)>("ggml_backend_dev_supports_op")(device_, operation)
               : base<bool(ggml_backend*, const ggml_tensor*)>("ggml_backend_supports_op")(backend_, operation);
  }
  const std::vector<ggml_buffer_type*>& buffer_types() const { return buffer_types_; }
  /// GGML_PREC_F32, which an older library has another number for.
  int single_precision() const { return device_ != nullptr ? 10 : 1; }

 private:
  static void* open(const std::string& path) {
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      throw InputError(fmt::format("{}: {}", path, dlerror()));
    }
    return library;
  }
  template <class F>
  static F* find(void* library, const char* name) {
    auto* function = reinterpret_cast<F*>(dlsym(library, name));
    if (function == nullptr) {
      throw InputError(fmt::format("llama.cpp's library has no {}", name));
    }
    return function;
  }

  void *base_, *of_cpu_;
  ggml_device* device_ = nullptr;
  ggml_backend* backend_;
  std::vector<ggml_buffer_type*> buffer_types_;
};

/// A graph of theirs with one result, of floats.
class TheirGraph {
 public:
  TheirGraph(const TheirGraph&) = delete;

  void run() {
    if (ggml_->base<int(ggml_backend*, ggml_cgraph*)>("ggml_backend_graph_compute")(ggml_->backend(), graph_) != 0) {
      throw InputError("llama.cpp's library cannot compute this");
    }
  }
  const std::vector<float>& result() {
    ggml_->base<void(const ggml_tensor*, void*, size_t, size_t)>("ggml_backend_tensor_get")(result_, y_.data(), 0,
                                                                                            y_.size() * sizeof(float));
    return y_;
  }

 protected:
  /// `numbers` of the result.
  TheirGraph(const Ggml& ggml, size_t numbers) : ggml_(&ggml), y_(numbers) {}
  ~TheirGraph() {
    for (ggml_buffer* buffer : buffers_) {
      ggml_->base<void(ggml_buffer*)>("ggml_backend_buffer_free")(buffer);
    }
    for (ggml_context* context : contexts_) {
      ggml_->base<void(ggml_context*)>("ggml_free")(context);
    }
  }

  ggml_context* new_context() {
    constexpr size_t kMemory = size_t{1} << 20;  // for what tensors are, not for what they hold
    return contexts_.emplace_back(ggml_->base<ggml_context*(ggml_init_params)>("ggml_init")({kMemory, nullptr, true}));
  }
  ggml_tensor* tensor(ggml_context* context, int type, size_t x, size_t y, size_t z = 1) const {
    return ggml_->base<ggml_tensor*(ggml_context*, int, int64_t, int64_t, int64_t)>("ggml_new_tensor_3d")(
        context, type, static_cast<int64_t>(x), static_cast<int64_t>(y), static_cast<int64_t>(z));
  }
  /// Memory for all tensors of a context. False: it is not to be had of that type.
  bool allocate(ggml_context* context, ggml_buffer_type* type) {
    ggml_buffer* const buffer = ggml_->base<ggml_buffer*(ggml_context*, ggml_buffer_type*)>(
        "ggml_backend_alloc_ctx_tensors_from_buft")(context, type);
    if (buffer != nullptr) {
      buffers_.push_back(buffer);
    }
    return buffer != nullptr;
  }
  void build(ggml_context* context, ggml_tensor* result) {
    result_ = result;
    graph_ = ggml_->base<ggml_cgraph*(ggml_context*)>("ggml_new_graph")(context);
    ggml_->base<void(ggml_cgraph*, ggml_tensor*)>("ggml_build_forward_expand")(graph_, result);
  }
  template <class T>
  void set(ggml_tensor* to, const std::vector<T>& data) const {
    ggml_->base<void(ggml_tensor*, const void*, size_t, size_t)>("ggml_backend_tensor_set")(to, data.data(), 0,
                                                                                            data.size() * sizeof(T));
  }

  static constexpr int kF32 = 0, kF16 = 1;  // types

 private:
  const Ggml* ggml_;
  std::vector<ggml_context*> contexts_;
  std::vector<ggml_buffer*> buffers_;
  ggml_tensor* result_ = nullptr;
  ggml_cgraph* graph_ = nullptr;
  std::vector<float> y_;
};

/// One product of theirs: weights in a buffer of a type.
class TheirProduct : public TheirGraph {
 public:
  /// Whether the buffer's layout serves the product is_supported says.
  TheirProduct(const Ggml& ggml, ggml_buffer_type* type, const weight_format& format, const std::vector<std::byte>& w,
               const std::vector<float>& x, size_t rows, size_t cols, size_t tokens)
      : TheirGraph(ggml, rows * tokens) {
    ggml_context* const of_weights = new_context();
    ggml_context* const others = new_context();
    ggml_tensor* const weights = tensor(of_weights, static_cast<int>(format.gguf_type), cols, rows);
    const bool is_allocated = allocate(of_weights, type);
    ggml_tensor* const activations = tensor(others, kF32, cols, tokens);
    ggml_tensor* const product = ggml.base<ggml_tensor*(ggml_context*, ggml_tensor*, ggml_tensor*)>("ggml_mul_mat")(
        others, weights, activations);
    is_supported_ = is_allocated && ggml.supports(product);
    if (!is_supported_) {
      return;
    }
    allocate(others, ggml.buffer_types()[0]);
    build(others, product);
    set(weights, w);
    set(activations, x);
  }

  bool is_supported() const { return is_supported_; }
  /// Whether the library has the format: another one may have its number.
  static bool knows(const Ggml& ggml, const weight_format& format) {
    const char* const name = ggml.base<const char*(int)>("ggml_type_name")(static_cast<int>(format.gguf_type));
    return name != nullptr && strcasecmp(name, format.name) == 0;
  }

 private:
  bool is_supported_ = false;
};

/// Attention of the last n_q of `keys` positions over a cache in fp16: `heads` of queries share `heads_kv` of keys and values, of 128 floats.
struct AttentionWork {
  const char* name;
  size_t heads, heads_kv, n_q, keys;

  static constexpr size_t kHead = 128;
  size_t past() const { return keys - n_q; }
  BlockSizes sizes() const {
    BlockSizes sizes;
    sizes.n_head = heads;
    sizes.n_head_kv = heads_kv;
    sizes.head_size = kHead;
    sizes.cache = CacheType::f16;
    return sizes;
  }
  size_t cache_bytes() const { return heads_kv * keys * kHead * 2; }  ///< of the keys, or of the values
  /// Multiplications and additions of what is not masked.
  double operations() const {
    const auto seen = static_cast<double>(n_q) * (static_cast<double>(past()) + (static_cast<double>(n_q) + 1) / 2);
    return 4 * static_cast<double>(heads * kHead) * seen;
  }
};

/// Theirs, in the graph of llama.cpp: a position of the cache has all heads side by side, and a mask says which keys a query sees.
class TheirAttention : public TheirGraph {
 public:
  TheirAttention(const Ggml& ggml, const AttentionWork& work, const std::vector<float>& q,
                 const std::vector<std::byte>& k, const std::vector<std::byte>& v)
      : TheirGraph(ggml, q.size()) {
    constexpr size_t kPadding = 64;       // of the mask's rows: GGML_KQ_MASK_PAD of older versions
    constexpr uint16_t kMasked = 0xfc00;  // -Inf
    const size_t masks = (work.n_q + kPadding - 1) / kPadding * kPadding;
    std::vector<uint16_t> mask(masks * work.keys, kMasked);
    for (size_t i = 0; i < work.n_q; ++i) {
      std::fill_n(mask.begin() + static_cast<std::ptrdiff_t>(i * work.keys), work.past() + i + 1, uint16_t{0});
    }
    ggml_context* const context = new_context();
    const auto by_heads = [&](ggml_tensor* of_positions) {
      return ggml.base<ggml_tensor*(ggml_context*, ggml_tensor*, int, int, int, int)>("ggml_permute")(
          context, of_positions, 0, 2, 1, 3);
    };
    ggml_tensor* const queries = tensor(context, kF32, AttentionWork::kHead, work.heads, work.n_q);
    ggml_tensor* const keys = tensor(context, kF16, AttentionWork::kHead, work.heads_kv, work.keys);
    ggml_tensor* const values = tensor(context, kF16, AttentionWork::kHead, work.heads_kv, work.keys);
    ggml_tensor* const seen = tensor(context, kF16, work.keys, masks);
    auto* const attend = ggml.base<ggml_tensor*(ggml_context*, ggml_tensor*, ggml_tensor*, ggml_tensor*, ggml_tensor*,
                                                float, float, float)>("ggml_flash_attn_ext");
    ggml_tensor* const result = attend(context, by_heads(queries), by_heads(keys), by_heads(values), seen,
                                       work.sizes().attention_scale(), 0, 0);
    ggml.base<void(ggml_tensor*, int)>("ggml_flash_attn_ext_set_prec")(
        result, ggml.single_precision());  // as llama.cpp asks for
    if (!allocate(context, ggml.buffer_types()[0])) {
      throw MachineError("llama.cpp's library has no memory for attention");
    }
    build(context, result);
    set(queries, q);
    set(keys, k);
    set(values, v);
    set(seen, mask);
  }
};

/// One of ours: a head of keys and values lies by itself.
class OurAttention {
 public:
  OurAttention(const Cpu& cpu, const AttentionWork& work, const std::string& isa, const std::vector<float>& q,
               std::span<const uint8_t> k, std::span<const uint8_t> v)
      : isa_(isa),
        work_(work),
        q_(&q),
        k_(k),
        v_(v),
        y_(q.size()),
        dispatch_(cpu, std::map<std::string, std::string>{{"attention_f16", isa}}),
        attention_(work.sizes(), dispatch_),
        scratch_(Arena::round_up(attention_.scratch_bytes(work.n_q, work.past())), Arena::Pages::huge, "scratch") {
    attention_.prepare(work.n_q, work.past());
    at_scratch_ = scratch_.take(attention_.scratch_bytes(work.n_q, work.past()));
  }
  const std::string& isa() const { return isa_; }
  void run() {
    const size_t row = work_.heads * AttentionWork::kHead;
    for (size_t head = 0; head < work_.heads_kv; ++head) {
      const size_t at = head * work_.heads / work_.heads_kv * AttentionWork::kHead;
      const size_t in_cache = head * work_.keys * attention_.row_bytes();
      attention_.run(y_.data() + at, row, q_->data() + at, row, k_.data() + in_cache, v_.data() + in_cache, work_.n_q,
                     work_.past(), at_scratch_);
    }
  }
  const std::vector<float>& result() const { return y_; }

 private:
  std::string isa_;
  AttentionWork work_;
  const std::vector<float>* q_;
  std::span<const uint8_t> k_, v_;
  std::vector<float> y_;
  Dispatch dispatch_;
  Attention attention_;
  Arena scratch_;
  void* at_scratch_;
};

/// One of ours, as the runner runs it: the quantizer and the product, forced to an ISA.
class OurProduct {
 public:
  OurProduct(const Cpu& cpu, const Tensor& w, const std::string& isa, const std::string& vectors,
             const std::vector<float>& x, size_t rows, size_t cols, size_t tokens, ThreadPool& pool)
      : isa_(isa), x_(&x), rows_(rows), tokens_(tokens), y_(rows * tokens), pool_(&pool) {
    const std::map<std::string, std::string> table = {
        {fmt::format("matmul_{}", tensor_type_info(w.type).format->name), isa},
        {"quantize_q8_0", vectors},
        {"quantize_q8_k", vectors}};
    dispatch_ = std::make_unique<Dispatch>(cpu, table);
    linear_ = std::make_unique<Linear>("weights", w, nullptr, rows, cols, *dispatch_);
    arena_ = std::make_unique<Arena>(linear_->packed_bytes(), Arena::Pages::huge, "the weights");
    const auto begin = std::chrono::steady_clock::now();
    linear_->pack(*arena_, pool, [](std::span<const std::byte>) {});
    pack_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  const std::string& isa() const { return isa_; }
  void run() { linear_->run(y_.data(), rows_, x_->data(), tokens_, *pool_); }
  const std::vector<float>& result() const { return y_; }
  size_t packed_bytes() const { return linear_->packed_bytes(); }
  double pack_seconds() const { return pack_seconds_; }

 private:
  std::string isa_;
  const std::vector<float>* x_;
  size_t rows_, tokens_;
  std::vector<float> y_;
  ThreadPool* pool_;
  std::unique_ptr<Dispatch> dispatch_;
  std::unique_ptr<Linear> linear_;
  std::unique_ptr<Arena> arena_;
  double pack_seconds_ = 0;
};

double seconds_of(const std::function<void()>& run) {
  const auto begin = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> v) {
  std::ranges::nth_element(v, v.begin() + static_cast<long>(v.size() / 2));
  return v[v.size() / 2];
}

/// The root of the mean squared difference, over that of the values.
double difference(const std::vector<float>& a, const std::vector<float>& b) {
  double off = 0;
  double all = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    off += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    all += std::pow(static_cast<double>(a[i]), 2);
  }
  return std::sqrt(off / all);
}

struct Work {
  const char* name;
  size_t rows, cols, tokens;
};

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) {
    parts.push_back(part);
  }
  return parts;
}

/// Reads all of the bytes and does nothing else: what a product of one token cannot be faster than.
void read_all(std::span<const uint8_t> bytes) {
  using Words = uint64_t __attribute__((vector_size(16), may_alias));
  const auto* words = reinterpret_cast<const Words*>(bytes.data());
  Words sums[4] = {};
  for (size_t i = 0; i + 4 <= bytes.size() / sizeof(Words); i += 4) {
    __builtin_prefetch(words + i + 256);  // as far ahead as our products do it: then it is the fastest
    for (size_t j = 0; j < 4; ++j) {
      sums[j] |= words[i + j];
    }
  }
  asm volatile("" ::"x"(sums[0] | sums[1] | sums[2] | sums[3]));
}

struct Peer {
  const char* name;
  const Ggml* ggml;
};

struct PeersProducts {
  std::vector<std::unique_ptr<TheirProduct>> products;  ///< one for each of its layouts that serves
  double best = INFINITY;                               ///< seconds of the fastest
};

/// The median time of each: they run in turn, until all took two seconds together.
std::vector<double> seconds_in_turn(const std::vector<std::function<void()>>& runs) {
  std::vector<std::vector<double>> times(runs.size());
  for (double all = 0; all < 2 || times[0].size() < 5;) {
    for (size_t i = 0; i < runs.size(); ++i) {
      all += times[i].emplace_back(seconds_of(runs[i]));
    }
  }
  std::vector<double> medians;
  std::ranges::transform(times, std::back_inserter(medians), median);
  return medians;
}

void compare(const std::vector<Peer>& peers, const Cpu& cpu, const weight_format& format, const Work& work,
             const std::map<std::string, Peak::Rate>& peaks, ThreadPool& pool) {
  Rng rng(1);
  const size_t blocks = work.rows * work.cols / format.elements;
  std::vector<std::byte> w(blocks * format.bytes);
  fill_blocks({reinterpret_cast<uint8_t*>(w.data()), w.size()}, format, InputClass::normal, rng);
  for (size_t at = 0; format.d_is_power && at < w.size(); at += format.bytes) {
    w[at + format.d_at] = std::byte{118};  // any power would give infinities and subnormals, which take their time
  }
  std::vector<float> x(work.cols * work.tokens);
  std::ranges::generate(x, [&] { return rng.normal(); });
  Tensor tensor{};
  tensor.name = "w";
  tensor.type = static_cast<TensorType>(format.gguf_type);
  tensor.n_dims = 2;
  tensor.ne = {work.cols, work.rows, 1, 1};
  tensor.n_elements = work.rows * work.cols;
  tensor.data = w;

  std::vector<PeersProducts> theirs(peers.size());
  for (size_t p = 0; p < peers.size(); ++p) {
    for (ggml_buffer_type* type : peers[p].ggml->buffer_types()) {
      if (!TheirProduct::knows(*peers[p].ggml, format)) {
        break;
      }
      auto product =
          std::make_unique<TheirProduct>(*peers[p].ggml, type, format, w, x, work.rows, work.cols, work.tokens);
      if (product->is_supported()) {
        theirs[p].products.push_back(std::move(product));
      }
    }
  }
  const Kernel& kernel = find_kernel(fmt::format("matmul_{}", format.name));
  std::vector<std::unique_ptr<OurProduct>> ours;
  for (const auto& [isa, peak] : peaks) {
    if (kernel.find(isa) != nullptr) {
      const bool wide = find_isa(isa).level == "v4";
      ours.push_back(std::make_unique<OurProduct>(cpu, tensor, isa, wide ? "avx512" : "avx2", x, work.rows, work.cols,
                                                  work.tokens, pool));
    }
  }
  if (ours.empty()) {
    fmt::print("| {} | {} | not to be had |\n", format.name, work.name);
    return;
  }
  // Each once before, and for what comes of it.
  std::vector<double> off(peers.size(), 0);
  for (const auto& one : ours) {
    one->run();
  }
  for (size_t p = 0; p < peers.size(); ++p) {
    for (const auto& one : theirs[p].products) {
      one->run();
      off[p] = std::max(off[p], difference(ours[0]->result(), one->result()));
    }
  }
  Arena for_reading(Arena::round_up(w.size()), Arena::Pages::huge, "the weights");
  const std::span to_read(for_reading.take(w.size()), w.size());
  std::memcpy(to_read.data(), w.data(), w.size());
  std::vector<std::function<void()>> runs;
  for (const auto& one : ours) {
    runs.push_back([&] { one->run(); });
  }
  for (const PeersProducts& peer : theirs) {
    for (const auto& one : peer.products) {
      runs.push_back([&] { one->run(); });
    }
  }
  runs.push_back([&] { read_all(to_read); });
  const std::vector<double> seconds = seconds_in_turn(runs);
  size_t next = ours.size();
  for (PeersProducts& peer : theirs) {
    for (size_t i = 0; i < peer.products.size(); ++i) {
      peer.best = std::min(peer.best, seconds[next++]);
    }
  }
  const auto best = static_cast<size_t>(
      std::min_element(seconds.begin(), seconds.begin() + static_cast<std::ptrdiff_t>(ours.size())) - seconds.begin());
  const double our_time = seconds[best];
  const double ops = 2.0 * static_cast<double>(work.rows * work.cols * work.tokens);
  const double bytes = static_cast<double>(w.size());
  fmt::print("| {} | {} | {} | {:.3f} |", format.name, work.name, ours[best]->isa(), 1e3 * our_time);
  double their_time = INFINITY;
  for (const PeersProducts& peer : theirs) {
    their_time = std::min(their_time, peer.best);
    fmt::print(" {} |", peer.products.empty() ? "-" : fmt::format("{:.3f}", 1e3 * peer.best));
  }
  fmt::print(" {} | {:.0f} | {:.0f}% | {:.1f} | {:.0f}% | {:+.1f}% | {:.1f} |",
             std::isinf(their_time) ? "-" : fmt::format("{:.2f}", their_time / our_time), ops / our_time / 1e9,
             100 * ops / our_time / peaks.at(ours[best]->isa()).per_second, bytes / our_time / 1e9,
             100 * seconds.back() / our_time, 100 * (static_cast<double>(ours[best]->packed_bytes()) / bytes - 1),
             bytes / ours[best]->pack_seconds() / 1e9);
  for (size_t p = 0; p < peers.size(); ++p) {
    fmt::print(" {} |", theirs[p].products.empty() ? "-" : fmt::format("{:.1e}", off[p]));
  }
  fmt::print("\n");
  std::fflush(stdout);
}

void compare_attention(const std::vector<Peer>& peers, const Cpu& cpu, const AttentionWork& work,
                       const std::vector<std::string>& isas) {
  Rng rng(1);
  std::vector<float> q(work.n_q * work.heads * AttentionWork::kHead);
  std::ranges::generate(q, [&] { return rng.normal(); });
  // Keys, then values: ours a head after the other, theirs a position after the other.
  const size_t bytes = work.cache_bytes();
  Arena cache(2 * Arena::round_up(bytes), Arena::Pages::huge, "the cache");
  std::span<const uint8_t> ours_of[2];
  std::vector<std::byte> theirs_of[2];
  for (size_t part = 0; part < 2; ++part) {
    uint8_t* const data = cache.take(bytes);
    fill_blocks({data, bytes}, find_format("f16"), InputClass::normal, rng);
    ours_of[part] = {data, bytes};
    theirs_of[part].resize(bytes);
    constexpr size_t kRow = AttentionWork::kHead * 2;
    for (size_t head = 0; head < work.heads_kv; ++head) {
      for (size_t key = 0; key < work.keys; ++key) {
        std::memcpy(theirs_of[part].data() + (key * work.heads_kv + head) * kRow,
                    data + (head * work.keys + key) * kRow, kRow);
      }
    }
  }
  std::vector<std::unique_ptr<OurAttention>> ours;
  for (const std::string& isa : isas) {
    if (find_kernel("attention_f16").find(isa) != nullptr) {
      ours.push_back(std::make_unique<OurAttention>(cpu, work, isa, q, ours_of[0], ours_of[1]));
    }
  }
  if (ours.empty()) {
    fmt::print("| {} | not to be had |\n", work.name);
    return;
  }
  std::vector<std::unique_ptr<TheirAttention>> theirs;
  for (const Peer& peer : peers) {
    theirs.push_back(std::make_unique<TheirAttention>(*peer.ggml, work, q, theirs_of[0], theirs_of[1]));
  }
  std::vector<std::function<void()>> runs;
  for (const auto& one : ours) {
    one->run();
    runs.push_back([&] { one->run(); });
  }
  std::vector<double> off;
  for (const auto& one : theirs) {
    one->run();
    off.push_back(difference(ours[0]->result(), one->result()));
    runs.push_back([&] { one->run(); });
  }
  runs.push_back([&] {
    for (const auto& part : ours_of) {
      read_all(part);
    }
  });
  const std::vector<double> seconds = seconds_in_turn(runs);
  const auto our_end = seconds.begin() + static_cast<std::ptrdiff_t>(ours.size());
  const auto best = std::min_element(seconds.begin(), our_end);
  fmt::print("| {} | {} | {:.3f} |", work.name, ours[static_cast<size_t>(best - seconds.begin())]->isa(), 1e3 * *best);
  for (size_t p = 0; p < peers.size(); ++p) {
    fmt::print(" {:.3f} |", 1e3 * our_end[static_cast<std::ptrdiff_t>(p)]);
  }
  const double their_time = *std::min_element(our_end, our_end + static_cast<std::ptrdiff_t>(peers.size()));
  fmt::print(" {:.2f} | {:.0f} | {:.1f} | {:.0f}% |", their_time / *best, work.operations() / *best / 1e9,
             2 * static_cast<double>(bytes) / *best / 1e9, 100 * seconds.back() / *best);
  for (const double one : off) {
    fmt::print(" {:.1e} |", one);
  }
  fmt::print("\n");
  std::fflush(stdout);
}

/// The columns of a table, in which each peer has a time and what it is off by.
void print_head(const std::vector<Peer>& peers, const std::string& first, const std::string& last) {
  std::string head = first;
  for (const Peer& peer : peers) {
    head += fmt::format(" {}, ms |", peer.name);
  }
  head += last;
  for (const Peer& peer : peers) {
    head += fmt::format(" {} off by |", peer.name);
  }
  fmt::print("{}\n|", head);
  for (auto columns = std::ranges::count(head, '|'); columns > 1; --columns) {
    fmt::print("---|");
  }
  fmt::print("\n");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fputs("usage: peers_speed FOLDER CPU ISAS [FORMATS [IK]]\n", stderr);
    return 2;
  }
  try {
    const Cpu cpu = detect_cpu();
    const Ggml ggml(argv[1], argv[2]);
    std::vector<Peer> peers = {{"llama.cpp", &ggml}};
    std::unique_ptr<Ggml> ik;
    if (argc > 5) {
      ik = std::make_unique<Ggml>(argv[5]);
      peers.push_back({"ik_llama.cpp", ik.get()});
    }
    std::map<std::string, Peak::Rate> peaks;  // by ISA: generated code has that of its instructions
    for (const std::string& isa : split(argv[3])) {
      if (isa_status(cpu, isa).runnable) {
        peaks[isa] = measure_int8(find_isa(isa.starts_with("jit_") ? isa.substr(4) : isa));
      }
    }
    ThreadPool pool(1);
    fmt::print("{}; llama.cpp's library for {};", cpu.brand, argv[2]);
    for (const auto& [isa, peak] : peaks) {
      fmt::print(" {}: {:.0f} GOP/s by {};", isa, peak.per_second / 1e9, peak.instruction);
    }
    fmt::print("\n\n");
    if (argc > 4 && argv[4] == std::string("attention")) {
      print_head(peers, "| attention | ours | ms |", " times as fast | GFLOP/s | GB/s | of reading alone |");
      for (const AttentionWork& work :
           {AttentionWork{"one token, 4096 keys, 8 of 32 heads", 32, 8, 1, 4096},
            AttentionWork{"one token, 4096 keys, 32 of 128 heads: memory", 128, 32, 1, 4096},
            AttentionWork{"512 tokens to 4096 keys, 2 of 8 heads", 8, 2, 512, 4096}}) {
        compare_attention(peers, cpu, work, split(argv[3]));
      }
      return 0;
    }
    print_head(peers, "| format | work | ours | ms |",
               " times as fast | GOP/s | of the peak | GB/s | of reading alone | packed | packing, GB/s |");
    const std::string all =
        "q8_0,q4_0,q4_1,q5_0,q5_1,iq4_nl,mxfp4,q2_k,q3_k,q4_k,q5_k,q6_k,iq4_xs,tq1_0,tq2_0,q1_0,q2_0";
    for (const std::string& name : split(argc > 4 && argv[4] != std::string("all") ? argv[4] : all)) {
      const weight_format& format = find_format(name);
      const size_t big = (size_t{192} << 20) / (4096 / format.elements * format.bytes) / 64 * 64;
      for (const Work& work : {Work{"prefill 4096", 4096, 4096, 128}, Work{"prefill 11008", 11008, 4096, 128},
                               Work{"decode 4096", 4096, 4096, 1}, Work{"decode, memory", big, 4096, 1}}) {
        compare(peers, cpu, format, work, peaks, pool);
      }
    }
  } catch (const MachineError& e) {
    fmt::print(stderr, "peers_speed: {}\n", e.what());
    return 3;
  } catch (const std::exception& e) {
    fmt::print(stderr, "peers_speed: {}\n", e.what());
    return 2;
  }
  return 0;
}
