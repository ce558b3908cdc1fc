#include "harness/check/case.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <immintrin.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "harness/check/buffer.h"
#include "harness/check/trial.h"
#include "harness/runtime/error.h"

namespace assay {
namespace {

constexpr size_t kLargestCopied = size_t{1} << 28;  // elements

constexpr std::array<const char*, 10> kClassNames = {"normal", "wide", "integers", "cancellation", "subnormals",
                                                     "zeros",  "huge", "special",  "extreme",      "constant"};

}  // namespace

double float_ulp(double value) { return std::ldexp(1.0, std::max(std::ilogb(value), -126) - 23); }

std::vector<InputClass> all_input_classes() {
  std::vector<InputClass> all;
  for (size_t i = 0; i < kClassNames.size(); ++i) {
    all.push_back(static_cast<InputClass>(i));
  }
  return all;
}

std::string to_string(InputClass c) { return kClassNames[static_cast<size_t>(c)]; }

InputClass input_class_from(std::string_view name) {
  const auto it = std::ranges::find(kClassNames, name, [](const char* s) { return std::string_view(s); });
  if (it == kClassNames.end()) {
    throw InputError(fmt::format("unknown input class '{}'; the classes are: {}", name, fmt::join(kClassNames, ", ")));
  }
  return static_cast<InputClass>(it - kClassNames.begin());
}

std::string to_string(const CaseId& id) {
  const Kernel& kernel = find_kernel(find_variant(id.variant).kernel);
  const Trial& trial = trial_of(kernel);
  const auto dims = kernel.dims();
  std::string text = id.variant + ":";
  for (size_t i = 0; i < dims.size(); ++i) {
    text += fmt::format("{}={},", dims[i], id.shape[i]);
  }
  text += fmt::format("class={},alias={},seed={:#x}", to_string(id.input_class), trial.aliases()[id.alias], id.seed);
  if (id.place != Place::drawn) {
    text += id.place == Place::end ? ",place=end" : ",place=begin";
  }
  if (id.keep_from != 0 || id.keep_to != CaseId::kKeepAll) {
    text += fmt::format(",keep_from={},keep_to={}", id.keep_from, id.keep_to);
  }
  return text + (id.small_integers ? ",values=small" : "");
}

CaseId case_from(std::string_view text) {
  const auto bad = [&](const std::string& why) {
    return InputError(
        fmt::format("case '{}': {}; write it as printed, for example "
                    "dot_f32/avx2:n=17,class=normal,alias=none,seed=0x1f",
                    text, why));
  };
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    throw bad("there is no ':' after the variant");
  }
  CaseId id;
  id.variant = text.substr(0, colon);
  const Kernel& kernel = find_kernel(find_variant(id.variant).kernel);
  const Trial& trial = trial_of(kernel);
  const auto dims = kernel.dims();
  const auto aliases = trial.aliases();
  id.shape.assign(dims.size(), 0);
  std::vector<bool> seen(dims.size(), false);
  std::string_view rest = text.substr(colon + 1);
  while (!rest.empty()) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view field = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    const size_t equals = field.find('=');
    if (equals == std::string_view::npos) {
      throw bad(fmt::format("'{}' is not name=value", field));
    }
    const std::string_view name = field.substr(0, equals);
    std::string_view value = field.substr(equals + 1);
    const auto number = [&]() -> uint64_t {
      int base = 10;
      if (value.starts_with("0x")) {
        base = 16;
        value.remove_prefix(2);
      }
      uint64_t out = 0;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out, base);
      if (error != std::errc() || end != value.data() + value.size()) {
        throw bad(fmt::format("'{}' of {} is not a number", value, name));
      }
      return out;
    };
    if (name == "class") {
      id.input_class = input_class_from(value);
    } else if (name == "seed") {
      id.seed = number();
    } else if (name == "keep_from") {
      id.keep_from = number();
    } else if (name == "keep_to") {
      id.keep_to = number();
    } else if (name == "values") {
      if (value != "small") {
        throw bad(fmt::format("values '{}' is not 'small'", value));
      }
      id.small_integers = true;
    } else if (name == "place") {
      if (value != "end" && value != "begin") {
        throw bad(fmt::format("place '{}' is not 'end' or 'begin'", value));
      }
      id.place = value == "end" ? Place::end : Place::begin;
    } else if (name == "alias") {
      const auto it = std::ranges::find(aliases, value);
      if (it == aliases.end()) {
        throw bad(fmt::format("alias '{}' is not one of: {}", value, fmt::join(aliases, ", ")));
      }
      id.alias = static_cast<size_t>(it - aliases.begin());
    } else if (const auto it = std::ranges::find(dims, name); it != dims.end()) {
      const auto i = static_cast<size_t>(it - dims.begin());
      id.shape[i] = number();
      seen[i] = true;
    } else {
      throw bad(fmt::format("unknown field '{}'", name));
    }
  }
  if (const auto it = std::ranges::find(seen, false); it != seen.end()) {
    throw bad(fmt::format("the size '{}' is missing", dims[static_cast<size_t>(it - seen.begin())]));
  }
  trial.validate(kernel, id.shape);
  return id;
}

bool is_large(const Shape& shape) { return shape.size() == 1 && shape[0] > kLargestCopied; }

namespace {

/// True: all of it is filled, a first part as fill_class does it, again and again. Its length is odd: what lies a power
/// of two away is something else.
template <class T>
bool fill_repeating(std::span<T> x, InputClass c, Rng& rng) {
  constexpr size_t kPeriod = 1000003;
  if (x.size() <= kLargestCopied) {
    return false;
  }
  if (c == InputClass::integers) {
    for (T& v : x.first(kPeriod)) {
      v = static_cast<T>(rng.between(-1, 1));
    }
  } else {
    fill_class(x.first(kPeriod), c, rng);
  }
  for (size_t i = kPeriod; i < x.size(); ++i) {
    x[i] = x[i - kPeriod];
  }
  return true;
}

}  // namespace

void fill_class(std::span<float> x, InputClass c, Rng& rng) {
  if (fill_repeating(x, c, rng)) {
    return;
  }
  const float sign = (rng.next() & 1) != 0 ? -1.0f : 1.0f;
  const float one_value = rng.normal();
  const uint64_t specials = rng.next();  // which special values this buffer may hold
  constexpr float kInf = std::numeric_limits<float>::infinity();
  constexpr std::array<float, 8> kSpecials = {std::numeric_limits<float>::quiet_NaN(),  kInf, -kInf, 0.0f, -0.0f,
                                              std::numeric_limits<float>::denorm_min(), 1.0f, -1.0f};
  float previous = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    switch (c) {
      case InputClass::normal:
        x[i] = rng.normal();
        break;
      case InputClass::wide:
        x[i] = rng.with_exponent(127 - 40, 127 + 40);
        break;
      case InputClass::integers:
        x[i] = static_cast<float>(rng.between(-8, 8));
        break;
      case InputClass::cancellation:
        if (i % 2 == 0) {
          previous = 1e4f * (1.0f + rng.uniform());
          x[i] = previous;
        } else {
          x[i] = -previous * (1.0f + static_cast<float>(rng.between(-4, 4)) * 0x1p-23f);
        }
        break;
      case InputClass::subnormals:
        x[i] = rng.with_exponent(0, 2);
        break;
      case InputClass::zeros: {
        const uint64_t r = rng.below(8);
        x[i] = r == 0 ? 1.0f : r % 2 == 0 ? 0.0f : -0.0f;
        break;
      }
      case InputClass::huge:
        x[i] = rng.with_exponent(250, 254);
        break;
      case InputClass::special: {
        const uint64_t r = rng.below(64);
        x[i] = r < kSpecials.size() && ((specials >> r) & 1) != 0 ? kSpecials[r] : rng.normal();
        break;
      }
      case InputClass::extreme:
        x[i] = sign * 16777215.0f;
        break;
      case InputClass::constant:
        x[i] = one_value;
        break;
    }
  }
}

void fill_class(std::span<int32_t> x, InputClass c, Rng& rng) {
  if (fill_repeating(x, c, rng)) {
    return;
  }
  const int32_t end = (rng.next() & 1) != 0 ? std::numeric_limits<int32_t>::min() : std::numeric_limits<int32_t>::max();
  const auto one_value = static_cast<int32_t>(rng.next());
  for (auto& v : x) {
    switch (c) {
      case InputClass::integers:
        v = static_cast<int32_t>(rng.between(-8, 8));
        break;
      case InputClass::zeros:
        v = 0;
        break;
      case InputClass::extreme:
        v = end;
        break;
      case InputClass::constant:
        v = one_value;
        break;
      default:
        v = static_cast<int32_t>(rng.next());
        break;
    }
  }
}

Case::Case(const Variant& variant, const CaseId& id, GuardedPool& pool, ErrorStats& stats)
    : variant_(variant),
      id_(id),
      rng_(id.seed),
      call_rng_(mix_seed(id.seed, 0x63616c6c)),
      pool_(&pool),
      stats_(&stats) {}

Case::Case(const Variant& variant, const Shape& shape, BenchStore& store, CallTimer& timer)
    : variant_(variant), rng_(1), call_rng_(1), store_(&store), timer_(&timer) {
  id_.variant = variant.name();
  id_.shape = shape;
}

Case::~Case() {
  for (auto& buffer : buffers_) {
    if (buffer->pages) {
      pool_->give_back(std::move(*buffer->pages));
    }
  }
}

size_t Case::make_buffer(const char* name, size_t bytes, size_t alignment, Role role) {
  auto buffer = std::make_unique<Buffer>();
  buffer->name = name;
  buffer->bytes = bytes;
  buffer->role = role;
  if (store_ != nullptr) {
    buffer->data = store_->get(name, bytes, buffer->fresh);
  } else {
    buffer->pages = std::make_unique<GuardedPages>(pool_->take(bytes + 128, role != Role::input));
    if (is_large(id_.shape)) {  // a fault for each of a million pages is half of the time
      madvise(buffer->pages->begin(), buffer->pages->size(), MADV_HUGEPAGE);
    }
    uint8_t* begin = buffer->pages->begin();
    uint8_t* last = buffer->pages->end() - bytes;
    last -= reinterpret_cast<uintptr_t>(last) % alignment;
    const uint64_t drawn = rng_.below(3);
    switch (id_.place == Place::end ? 0 : id_.place == Place::begin ? 1 : drawn) {
      case 0:
        buffer->data = last;
        break;  // flush against the guard behind it
      case 1:
        buffer->data = begin;
        break;  // flush behind the guard before it
      default:
        buffer->data = begin + rng_.below(64 / std::min<size_t>(alignment, 64) + 1) * alignment;
        break;
    }
    buffer->visit_slack(
        [&](uint8_t* from, uint8_t* to) { std::fill(buffer->pages->alias(from), buffer->pages->alias(to), kCanary); });
  }
  buffers_.push_back(std::move(buffer));
  return buffers_.size() - 1;
}

void Case::simplify(std::span<float> x) const {
  for (size_t i = 0; i < x.size(); ++i) {
    if (i < id_.keep_from || i >= id_.keep_to) {
      x[i] = 0;
    } else if (id_.small_integers && std::isfinite(x[i])) {
      x[i] = std::clamp(std::nearbyint(x[i]), -8.0f, 8.0f);
    }
  }
}

uint8_t* Case::bytes(size_t id) { return buffers_[id]->data; }

uint8_t* Case::fresh_bytes(size_t id) { return buffers_[id]->fresh ? buffers_[id]->to_fill() : nullptr; }

const uint8_t* Case::original(size_t id) {
  return buffers_[id]->original.empty() ? buffers_[id]->data : buffers_[id]->original.data();
}

void Case::keep_original(size_t id) {
  // Of a large case only what the kernel may overwrite: it cannot write to inputs otherwise.
  if (store_ == nullptr && (!is_large(id_.shape) || id_.alias != 0)) {
    Buffer& b = *buffers_[id];
    b.original.assign(b.data, b.data + b.bytes);
  }
}

uint8_t* Case::make_writable(size_t id) {
  buffers_[id]->in_place = true;
  return buffers_[id]->data;
}

void* Case::packed(const char* name, size_t bytes, const std::function<void(void*)>& fill) {
  const std::string full =
      store_ != nullptr ? fmt::format("{}/{}", name, variant_.layout.empty() ? variant_.label() : variant_.layout)
                        : name;
  const size_t id = make_buffer(full.c_str(), bytes, 64, Role::input);
  if (uint8_t* fresh = fresh_bytes(id)) {
    fill(fresh);
  }
  return this->bytes(id);
}

std::string Case::locate(const void* address) const {
  for (const auto& b : buffers_) {
    const uint8_t* p = b->pages ? b->pages->find(address) : nullptr;
    if (p == nullptr) {
      continue;
    }
    const std::string of = fmt::format("{} ({} bytes)", b->name, b->bytes);
    if (p < b->data) {
      return fmt::format("{} bytes before {}", b->data - p, of);
    }
    const auto offset = static_cast<size_t>(p - b->data);
    return offset >= b->bytes ? fmt::format("{} bytes behind the end of {}", offset - b->bytes, of)
                              : fmt::format("byte {} of {}{}", offset, of, b->writable() ? "" : ", an input");
  }
  return "";
}

void Case::expect(const char* what, size_t index, float got, const Expected& want) {
  const double value = want.value;
  const double bound = want.bound;
  if (want.overflow && !std::isfinite(got)) {
    return;
  }
  if (std::isnan(value) || std::isnan(got)) {
    if (std::isnan(value) && std::isnan(got)) {
      return;
    }
    throw Mismatch("value",
                   fmt::format("{}[{}] is {} ({:a}), expected {} ({:a})", what, index, got, got, value, value));
  }
  // Halfway between FLT_MAX and 2^128 rounds to Inf (IEEE 754, section 4.3.1).
  constexpr double kOverflow = 0x1.ffffffp127;
  if (std::isinf(got)) {
    if (std::signbit(value) == std::signbit(got) && std::fabs(value) + bound >= kOverflow) {
      return;
    }
    throw Mismatch(
        "value", fmt::format("{}[{}] is {}, expected {} ({:a}) within {:.3g}", what, index, got, value, value, bound));
  }
  if (std::isinf(value)) {
    throw Mismatch("value", fmt::format("{}[{}] is {} ({:a}), expected {}", what, index, got, got, value));
  }
  const double error = std::fabs(static_cast<double>(got) - value);
  if (!(error <= bound)) {
    throw Mismatch(
        "value", fmt::format("{}[{}] is {} ({:a}), expected {} ({:a}) within {:.3g}: error {:.3g}, {:.3g} x the bound",
                             what, index, got, got, value, value, bound, error, error / bound));
  }
  if (bound > 0) {
    stats_->worst_over_bound = std::max(stats_->worst_over_bound, error / bound);
    // Where the bound is far from relative (cancellation), ULPs of what is left say nothing.
    if (bound <= std::fabs(value) * 0x1p-10) {
      stats_->max_ulp = std::max(stats_->max_ulp, error / float_ulp(value));
    }
  }
}

void Case::expect_bits(const char* what, size_t index, float got, float want) {
  if ((std::isnan(got) && std::isnan(want)) || std::bit_cast<uint32_t>(got) == std::bit_cast<uint32_t>(want)) {
    return;
  }
  throw Mismatch("value",
                 fmt::format("{}[{}] is {} ({:a}), expected {} ({:a}) exactly", what, index, got, got, want, want));
}

void Case::expect_equal(const char* what, size_t index, int64_t got, int64_t want) {
  if (got != want) {
    throw Mismatch("value",
                   fmt::format("{}[{}] is {} ({:#x}), expected {} ({:#x})", what, index, got, got, want, want));
  }
}

void Case::expect_untouched(const char* what, const float* p, size_t count) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(p);
  for (size_t i = 0; i < count * sizeof(float); ++i) {
    if (bytes[i] != kPoison) {
      throw Mismatch("gap", fmt::format("{}: element {} of a part that is not the kernel's to write was written", what,
                                        i / sizeof(float)));
    }
  }
}

struct BenchStore::Block {
  /// `bytes`, `offset` behind the beginning of a mapping.
  Block(size_t bytes, size_t offset)
      : size(bytes),
        mapped((offset + bytes + 4095) / 4096 * 4096),
        memory(
            static_cast<uint8_t*>(mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))),
        data(memory + offset) {
    if (memory == MAP_FAILED) {
      throw MachineError(fmt::format("cannot map {} bytes to time with", mapped));
    }
    madvise(memory, mapped, MADV_HUGEPAGE);
    std::fill_n(data, size, uint8_t{0});
  }
  ~Block() { munmap(memory, mapped); }
  Block(const Block&) = delete;

  size_t size;
  size_t mapped;
  uint8_t* memory;
  uint8_t* data;
};

BenchStore::BenchStore(int placement)
    : stride_(static_cast<size_t>(192 * (1 + placement % 3))), rng_(static_cast<uint64_t>(placement)) {}
BenchStore::~BenchStore() = default;

uint8_t* BenchStore::get(const std::string& name, size_t bytes, bool& fresh) {
  auto& block = blocks_[name];
  fresh = block == nullptr || block->size < bytes;
  if (fresh) {
    // Different buffers start in different cache sets: page-aligned streams would alias (4K aliasing). And some pages lie
    // between them, else the distance would follow from the size: at some distances AMD's way prediction, which hashes the
    // address, takes the lines of two streams for each other.
    const size_t offset = blocks_.size() * stride_ % (16 * 192) + 4096 * rng_.below(64);
    block = std::make_unique<Block>(bytes, offset);
  }
  return block->data;
}

const JitCode& BenchStore::code(const Variant& variant, const Key& key) {
  auto& code = code_[fmt::format("{}[{}]", variant.name(), fmt::join(key, ","))];
  if (!code) {
    code = std::make_unique<JitCode>(variant, key);
  }
  return *code;
}

std::vector<const JitCode*> BenchStore::codes() const {
  std::vector<const JitCode*> all;
  for (const auto& [name, code] : code_) {
    all.push_back(code.get());
  }
  return all;
}

double BenchStore::generation_seconds(const Variant& variant) const {
  double sum = 0;
  for (const auto& [name, code] : code_) {
    sum += name.starts_with(variant.name() + "[") ? code->generation_seconds() : 0;
  }
  return sum;
}

void BenchStore::evict() const {
  constexpr size_t kLine = 64;
  for (const auto& [name, block] : blocks_) {
    for (size_t i = 0; i < block->size; i += kLine) {  // data is 64-byte aligned
      _mm_clflush(block->data + i);
    }
  }
  _mm_mfence();
}

}  // namespace assay
