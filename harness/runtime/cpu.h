#pragma once
#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "harness/runtime/isa.h"

namespace assay {

/// Bytes of each cache that one core can use; 0: unknown. l3 is at most 32 MiB: hypervisors report the sum of all
/// slices of a socket, of which one core has one.
struct CacheInfo {
  size_t l1d = 0, l2 = 0, l3 = 0;
};

/// Logical CPUs of one kind, in a dump of several.
struct CoreKind {
  std::string name;                 ///< "P-core", "E-core", or family, model and stepping
  std::vector<int> cpus;            ///< their numbers in the dump
  std::set<std::string> only_here;  ///< features that some other kind lacks
};

/// A CPU as CPUID tells it, and what its operating system has enabled. Of several cores that differ, what all have: the
/// operating system moves a program from one to another.
struct Cpu {
  std::string vendor, brand;
  std::string codename;                     ///< "" where it is not known (codename.h)
  int family = 0, model = 0, stepping = 0;  ///< display family and model: the extended fields are added in
  int logical_cpus = 0;
  CacheInfo caches;
  std::set<std::string> features;  ///< of CPUID, whether enabled or not: "avx2", "avx512f", ...
  uint64_t xcr0 = 0;               ///< XGETBV(0): the register state that the OS saves
  bool xcr0_known = false;         ///< false for dumps, which do not hold it
  /// Of CPUID leaf 0xD: the bits of XCR0 that an operating system may set; all ones if CPUID does not tell.
  uint64_t xcr0_supported = ~uint64_t{0};
  /// Of the same leaf: bytes of the state that XCR0 enabled when CPUID was asked; 0 if it does not tell.
  uint32_t xsave_bytes = 0;
  /// Why generated code cannot run here, whatever the CPU: the system lets no memory become executable. "" if it does.
  std::string no_executable_memory;
  std::set<std::string> unknown_features;  ///< in leaves that the dump does not hold
  std::vector<CoreKind> core_kinds;        ///< more than one if cores differ
  std::vector<std::string> warnings;       ///< of a dump: cores that differ or are missing
};

/// This machine. Executes XGETBV only where CPUID says that the OS enabled it, so it runs on an SSE2-only CPU.
Cpu detect_cpu();

/// A raw dump of one or several logical CPUs, as libcpuid's `cpuid_tool --save` writes it (any version up to 0.8.1), or
/// in the layout of AIDA64, which libcpuid reads too and which alone holds leaf 7 subleaf 1. Throws InputError naming
/// the file, the line and the remedy for anything else, truncated ones included.
Cpu read_cpu_dump(const std::string& path);

struct IsaStatus {
  bool runnable;
  std::string reason;  ///< "" if runnable; else what the CPU lacks or what the OS has not enabled
};

/// Whether `cpu` runs an ISA of isas(). Throws InputError for another name.
IsaStatus isa_status(const Cpu& cpu, std::string_view isa);

nlohmann::json to_json(const Cpu& cpu);

/// The bits of XCR0 that an ISA needs, by name: "SSE and AVX (0x6)"; "" if none.
std::string needed_xcr0(std::string_view isa);

/// Identity, caches, and for each ISA whether it runs and why not, for people.
std::string describe(const Cpu& cpu);

}  // namespace assay
