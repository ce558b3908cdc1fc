#include "harness/runtime/jit_code.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "harness/runtime/error.h"
#include "harness/runtime/plugin.h"

namespace assay {
namespace {

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

struct Mapping {
  uint64_t begin, end;
  std::string line;
};

/// Memory of this process that is both.
std::vector<Mapping> writable_and_executable_mappings() {
  std::vector<Mapping> all;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const size_t flags = line.find(' ') + 1;
    if (line.compare(flags, 3, "rwx") == 0 || line.compare(flags, 3, "-wx") == 0) {
      const size_t dash = line.find('-');
      all.push_back({std::stoull(line, nullptr, 16), std::stoull(line.substr(dash + 1), nullptr, 16), line});
    }
  }
  return all;
}

/// Those that were there at the first call.
const std::vector<Mapping>& mappings_before() {
  static const std::vector<Mapping> before = writable_and_executable_mappings();
  return before;
}

}  // namespace

void note_mappings() { mappings_before(); }

JitCode::JitCode(const Variant& variant, const Key& key) {
  auto* generate = reinterpret_cast<GenerateFn*>(run_of(variant));
  const auto begin = std::chrono::steady_clock::now();
  for (capacity_ = kLeastCode; capacity_ <= kMostCode; capacity_ *= 4) {
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
                                   fmt::join(key, ","), kMostCode));
  }
  if (const std::string why = make_executable(memory_, capacity_); !why.empty()) {
    munmap(memory_, capacity_);
    throw MachineError(why + "; exclude JIT variants with --variant or --force");
  }
  generation_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  announce_to_perf(memory_, size_, fmt::format("{}[{}]", variant.name(), fmt::join(key, ",")));
}

JitCode::~JitCode() {
  if (memory_ != nullptr) {
    munmap(memory_, capacity_);
  }
}

std::string make_executable(void* memory, size_t bytes) {
  return mprotect(memory, bytes, PROT_READ | PROT_EXEC) == 0
             ? ""
             : fmt::format("the system forbids executable memory (mprotect: {}), which generated code needs",
                           std::strerror(errno));
}

std::string why_no_executable_memory() {
  constexpr size_t kBytes = 4096;
  void* memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return "";  // memory is short, which is another matter
  }
  *static_cast<volatile uint8_t*>(memory) = 0xc3;  // ret; SELinux asks for another right where a page was written
  std::string why = make_executable(memory, kBytes);
  munmap(memory, kBytes);
  return why;
}

std::string why_mappings_tell_nothing() {
  const char* preloaded = std::getenv("LD_PRELOAD");
  if (preloaded != nullptr && std::strstr(preloaded, "vgpreload") != nullptr) {
    return "valgrind keeps code of its own in memory that is writable and executable";
  }
  if (!std::ifstream("/proc/self/maps").good()) {
    return fmt::format("/proc/self/maps cannot be read: {}", std::strerror(errno));
  }
  return "";
}

std::string writable_and_executable() {
  static const bool tells = why_mappings_tell_nothing().empty();
  if (!tells) {
    return "";
  }
  const auto& before = mappings_before();
  for (const Mapping& mapping : writable_and_executable_mappings()) {
    if (std::ranges::none_of(before,
                             [&](const Mapping& b) { return mapping.begin < b.end && b.begin < mapping.end; })) {
      return mapping.line;
    }
  }
  return "";
}

AnyFn JitCode::entry() const { return reinterpret_cast<AnyFn>(memory_); }

}  // namespace assay
