#include "harness/check/generated_code.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <malloc.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "harness/check/checked_call.h"
#include "harness/check/judge.h"
#include "harness/check/threads.h"
#include "harness/runtime/error.h"
#include "harness/runtime/jit_code.h"
#include "harness/runtime/plugin.h"

namespace assay {

/// Writable memory between two guard pages, full of INT3.
class CodePages {
 public:
  static constexpr size_t kPage = 4096;
  static constexpr uint8_t kInt3 = 0xcc;

  explicit CodePages(size_t bytes) : bytes_((bytes + kPage - 1) / kPage * kPage) {
    void* map = mmap(nullptr, bytes_ + 2 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) {
      throw MachineError(fmt::format("cannot map {} bytes for generated code", bytes_));
    }
    begin_ = static_cast<uint8_t*>(map) + kPage;
    if (mprotect(begin_, bytes_, PROT_READ | PROT_WRITE) != 0) {
      munmap(map, bytes_ + 2 * kPage);
      throw MachineError(fmt::format("cannot map {} bytes for generated code", bytes_));
    }
    fill();
  }
  ~CodePages() { munmap(begin_ - kPage, bytes_ + 2 * kPage); }
  CodePages(const CodePages&) = delete;

  uint8_t* begin() const { return begin_; }
  uint8_t* end() const { return begin_ + bytes_; }
  size_t size() const { return bytes_; }
  void fill() { std::memset(begin_, kInt3, bytes_); }
  void make_executable() {
    if (const std::string why = assay::make_executable(begin_, bytes_); !why.empty()) {
      throw MachineError(why);
    }
  }

 private:
  size_t bytes_;
  uint8_t* begin_;
};

namespace {

/// A variant's generator, called as a kernel is.
class Generator {
 public:
  Generator(const Variant& variant, Rng& garbage)
      : call_(reinterpret_cast<GenerateFn*>(run_of(variant))), name_(variant.name()), garbage_(garbage) {}

  size_t operator()(uint8_t* code, size_t capacity, const Key& key) {
    const size_t size = checked_call(call_, false, garbage_, static_cast<void*>(code), capacity, key.data());
    if (const StateFault fault = fault_of_call(); !fault.check.empty()) {
      throw Mismatch(fault.check, fmt::format("after generating for key {{{}}}: {}", fmt::join(key, ","), fault.text));
    }
    if (size > capacity) {
      throw bad(key, fmt::format("it says that {} bytes are its code, of memory of {}", size, capacity));
    }
    return size;
  }

  /// In memory as large as it takes. `size` is that of the code.
  std::unique_ptr<CodePages> in_pages(const Key& key, size_t& size) {
    for (size_t capacity = kLeastCode; capacity <= kMostCode; capacity *= 4) {
      auto pages = std::make_unique<CodePages>(capacity);
      size = (*this)(pages->begin(), capacity, key);
      if (size != 0) {
        return pages;
      }
    }
    throw bad(key, fmt::format("it makes no code within {} bytes", kMostCode));
  }

  /// As another thread calls it.
  void call_plainly(uint8_t* code, size_t capacity, const Key& key) const { call_(code, capacity, key.data()); }

  Mismatch bad(const Key& key, const std::string& why) const {
    return {"generator", fmt::format("the generator of {}, key {{{}}}: {}", name_, fmt::join(key, ","), why)};
  }

 private:
  GenerateFn* call_;
  std::string name_;
  Rng& garbage_;
};

using Bytes = std::vector<uint8_t>;

void expect_same(const Generator& generate, const Key& key, const Bytes& code, const uint8_t* again, size_t size,
                 const char* how) {
  if (size != code.size() || std::memcmp(again, code.data(), size) != 0) {
    throw generate.bad(key, fmt::format("generated {} it is other code: {} bytes, {} before", how, size, code.size()));
  }
}

void check_room(Generator& generate, const Key& key, const Bytes& code, Rng& rng) {
  CodePages pages(code.size() + CodePages::kPage);
  const auto expect_refused = [&](uint8_t* at, size_t capacity) {
    pages.fill();
    if (const size_t said = generate(at, capacity, key); said != 0) {
      throw generate.bad(
          key, fmt::format("of {} bytes of code it says that {} are in memory of {}", code.size(), said, capacity));
    }
    if (std::any_of(at + capacity, pages.end(), [](uint8_t byte) { return byte != CodePages::kInt3; })) {
      throw generate.bad(key, fmt::format("it writes behind the {} bytes that it is given", capacity));
    }
  };
  expect_refused(pages.begin(), code.size() - 1);
  // Flush against the guard page: whole lines, since what is aligned by padding takes more or fewer bytes elsewhere.
  constexpr size_t kLine = 64;
  const size_t lines = (code.size() - 1) / kLine;
  for (const size_t n : {lines, static_cast<size_t>(rng.below(lines + 1))}) {
    expect_refused(pages.end() - n * kLine, n * kLine);
  }
}

/// Memory of this process: what is allocated and what is mapped.
std::array<size_t, 2> memory_in_use() {
  const struct mallinfo2 info = mallinfo2();
  return {info.uordblks, info.hblkhd};
}

void check_repeated(Generator& generate, CodePages& pages, const Key& key, const Bytes& code) {
  // What is made once, by the first calls, is no leak.
  constexpr int kRounds = 6;
  int grown = 0;
  auto before = memory_in_use();
  for (int i = 0; i < kRounds; ++i) {
    pages.fill();
    const size_t size = generate(pages.begin(), pages.size(), key);
    expect_same(generate, key, code, pages.begin(), size, "again");
    const auto after = memory_in_use();
    grown += after[0] > before[0] || after[1] > before[1];
    before = after;
  }
  if (grown >= kRounds - 1) {
    throw generate.bad(key, "each time memory is allocated that is not freed");
  }
}

void check_threads(Generator& generate, CodePages& pages, const Key& key, const Key& other_key, const Bytes& code) {
  CodePages others(kMostCode);
  bool same = true;
  const auto generate_others = [&](int) {
    generate.call_plainly(others.begin(), others.size(), other_key);
    return true;
  };
  const auto generate_again = [&] {
    pages.fill();
    generate.call_plainly(pages.begin(), pages.size(), key);
    same = std::equal(code.begin(), code.end(), pages.begin());
    return same;
  };
  run_beside(generate_others, generate_again, 8, 256);
  if (!same) {
    throw generate.bad(
        key, fmt::format("beside a thread that generates for key {{{}}} it is other code", fmt::join(other_key, ",")));
  }
}

}  // namespace

GeneratedCode::GeneratedCode(const Variant& variant, const Key& key, const GeneratorPlan& plan,
                             const std::function<Key()>& other_key, Rng& garbage,
                             const std::function<void()>& written) {
  Generator generate(variant, garbage);
  pages_ = generate.in_pages(key, size_);
  written();
  const Bytes code(pages_->begin(), pages_->begin() + size_);
  if (plan.room) {
    check_room(generate, key, code, garbage);
  }
  if (plan.repeated) {
    check_repeated(generate, *pages_, key, code);
  }
  if (plan.threaded && threads_for_a_check()) {
    check_threads(generate, *pages_, key, other_key(), code);
  }
  if (plan.other_key) {
    size_t size = 0;
    others_ = generate.in_pages(other_key(), size);
  }
  // What lies behind the code is no part of it.
  auto elsewhere = plan.moved ? std::make_unique<CodePages>(pages_->size()) : nullptr;
  if (elsewhere) {
    std::copy_n(pages_->begin(), size_, elsewhere->begin());
    pages_ = std::move(elsewhere);
  } else {
    std::memset(pages_->begin() + size_, CodePages::kInt3, pages_->size() - size_);
  }
  pages_->make_executable();
}

GeneratedCode::~GeneratedCode() = default;

AnyFn GeneratedCode::entry() const { return reinterpret_cast<AnyFn>(pages_->begin()); }

bool GeneratedCode::contains(uint64_t address) const {
  return address - reinterpret_cast<uint64_t>(pages_->begin()) < size_;
}

}  // namespace assay
