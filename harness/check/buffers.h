#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "harness/check/case.h"
#include "harness/check/guarded_memory.h"

namespace assay {

/// The buffers of a fuzzed case, each between guard pages: flush against one of them or somewhere between, and what is left
/// of its pages filled with canaries.
class Buffers {
 public:
  explicit Buffers(GuardedPool& pool) : pool_(pool) {}
  ~Buffers();
  Buffers(const Buffers&) = delete;

  /// `rng` draws where it lies, if `id` leaves that open. Of an input `over_read` bytes behind it may be read too. The number of the
  /// buffer comes back.
  size_t make(const char* name, size_t bytes, size_t alignment, BufferRole role, size_t over_read, const CaseId& id,
              Rng& rng);

  uint8_t* data(size_t index) { return buffers_[index].data; }
  /// `data`, writable also where it is not for the kernel.
  uint8_t* to_fill(size_t index) { return buffers_[index].to_fill(); }
  /// Copies what an input holds now: every call finds it so.
  const uint8_t* keep_contents(size_t index);
  /// The kernel overwrites this input.
  void work_in_place(size_t index) { buffers_[index].in_place = true; }

  /// Whether all of the memory is of one buffer, and the kernel may read or write it.
  bool may_touch(uint64_t address, uint64_t bytes, bool write) const;
  /// Nothing may touch this input any more.
  void withdraw(size_t index);

  /// As before a call: outputs and scratch poisoned, inputs as they were kept and read-only.
  void reset(uint8_t poison);
  /// Other contents at the same addresses: the inputs' bytes in reverse order, or as they were.
  void reverse_inputs(bool reversed);
  /// Throws Mismatch if a byte beside a buffer was overwritten.
  void check_canaries() const;
  /// The bytes of the outputs and of inputs that are worked on in place.
  std::vector<uint8_t> written() const;
  /// Where `address` lies: "8 bytes behind the end of x (68 bytes)"; "" if near no buffer.
  std::string locate(const void* address) const;

 private:
  struct Buffer {
    std::string name;
    GuardedPages pages;
    BufferRole role;
    size_t bytes;
    uint8_t* data = nullptr;
    bool in_place = false;
    bool withdrawn = false;
    size_t readable = 0;              ///< bytes that may be read from `data` on, more than `bytes` if a claim says so
    std::vector<uint8_t> contents{};  ///< of an input before the call

    bool is_input() const { return role == BufferRole::input || role == BufferRole::packed; }
    Access access() const { return withdrawn ? Access::none : is_input() && !in_place ? Access::read : Access::write; }
    uint8_t* to_fill() const { return pages.alias(data); }
  };

  GuardedPool& pool_;
  std::vector<Buffer> buffers_;
};

}  // namespace assay
