#include "harness/bench/timed_case.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <immintrin.h>
#include <sys/mman.h>

#include <algorithm>
#include <chrono>

#include "harness/runtime/error.h"
#include "harness/runtime/plugin.h"

namespace assay {

TimedCase::TimedCase(const Variant& variant, const Shape& shape, BenchStore& store, CallTimer& timer)
    : Case(variant, CaseId{.variant = variant.name(), .shape = shape, .seed = 1}), store_(store), timer_(timer) {}

AnyFn TimedCase::resolve(const Key& key) {
  return variant().jit ? store_.code(variant(), key).entry() : run_of(variant());
}

size_t TimedCase::call_pack(assay_pack_fn* pack, void* packed, const void* w, size_t rows, size_t cols) {
  const auto begin = std::chrono::steady_clock::now();
  const size_t bytes = pack(packed, w, rows, cols);
  if (packed != nullptr) {
    store_.packing(variant()) = {bytes,
                                 std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count()};
  }
  return bytes;
}

TimedCase::NewBuffer TimedCase::make_buffer(const char* name, size_t bytes, size_t, BufferRole role) {
  const bool own = role == BufferRole::packed;  // by the variants of a layout alone
  const std::string full = own ? fmt::format("{}/{}", name, layout_of(variant())) : name;
  bool fresh = false;
  uint8_t* const data = store_.get(full, bytes, fresh);
  return {0, data, fresh ? data : nullptr};
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
