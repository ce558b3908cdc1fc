// A dump of another CPU, through a file in memory: the reader gives its path to libcpuid.
// Covers: harness/runtime/cpu.cpp harness/runtime/cpu_dump.cpp
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "harness/runtime/cpu.h"
#include "harness/runtime/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const int fd = memfd_create("dump", 0);
  static const std::string path = fmt::format("/proc/self/fd/{}", fd);
  if (ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != static_cast<ssize_t>(size)) {
    std::abort();
  }
  try {
    const assay::Cpu cpu = assay::read_cpu_dump(path);
    assay::describe(cpu);
    assay::to_json(cpu).dump();  // throws if a string is no UTF-8
  } catch (const assay::InputError&) {
  }
  return 0;
}
