#include "harness/runtime/jit_code.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "harness/runtime/error.h"

namespace assay {
namespace {

using Generator = size_t(void* code, size_t capacity, const size_t* key);

// The format that perf reads: tools/perf/Documentation/jit-interface.txt of the Linux source.
void announce_to_perf(const void* code, size_t size, const std::string& name) {
  if (std::getenv("ASSAY_PERF_MAP") == nullptr) {
    return;
  }
  const std::string path = fmt::format("/tmp/perf-{}.map", getpid());
  if (std::FILE* f = std::fopen(path.c_str(), "a")) {
    fmt::print(f, "{:x} {:x} {}\n", reinterpret_cast<uintptr_t>(code), size, name);
    std::fclose(f);
  }
}

}  // namespace

JitCode::JitCode(const Variant& variant, const Key& key, const std::function<void()>& written) {
  auto* generate = reinterpret_cast<Generator*>(variant.run);
  const auto begin = std::chrono::steady_clock::now();
  constexpr size_t kLargest = size_t{4} << 20;
  for (capacity_ = size_t{16} << 10; capacity_ <= kLargest; capacity_ *= 4) {
    memory_ = mmap(nullptr, capacity_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory_ == MAP_FAILED) {
      memory_ = nullptr;
      throw MachineError(fmt::format("cannot map {} bytes for the code of {}", capacity_, variant.name()));
    }
    size_ = generate(memory_, capacity_, key.data());
    if (size_ != 0) {
      break;
    }
    munmap(memory_, capacity_);
    memory_ = nullptr;
  }
  if (memory_ == nullptr) {
    throw MachineError(fmt::format("{} generated no code for key {{{}}} within {} bytes", variant.name(),
                                   fmt::join(key, ","), kLargest));
  }
  if (written) {
    try {
      written();
    } catch (...) {
      munmap(memory_, capacity_);
      throw;
    }
  }
  if (mprotect(memory_, capacity_, PROT_READ | PROT_EXEC) != 0) {
    munmap(memory_, capacity_);
    throw MachineError(
        "the system forbids executable memory (mprotect): JIT variants cannot run; exclude them "
        "with --variant or --force");
  }
  generation_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  announce_to_perf(memory_, size_, fmt::format("{}[{}]", variant.name(), fmt::join(key, ",")));
}

JitCode::~JitCode() {
  if (memory_ != nullptr) {
    munmap(memory_, capacity_);
  }
}

std::string writable_and_executable() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const size_t flags = line.find(' ') + 1;
    if (line.compare(flags, 3, "rwx") == 0 || line.compare(flags, 3, "-wx") == 0) {
      return line;
    }
  }
  return "";
}

AnyFn JitCode::entry() const { return reinterpret_cast<AnyFn>(memory_); }

}  // namespace assay
