#pragma once
#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

/// Bytes of each cache that one core can use; 0: unknown. l3 is at most 32 MiB: hypervisors report the sum of all
/// slices of a socket, of which one core has one.
struct CacheInfo {
  size_t l1d = 0, l2 = 0, l3 = 0;
};

/// A CPU as CPUID tells it, and what its operating system has enabled.
struct Cpu {
  std::string vendor, brand, codename;
  int family = 0, model = 0, stepping = 0;  ///< display family and model: the extended fields are added in
  int logical_cpus = 0;
  CacheInfo caches;
  std::set<std::string> features;  ///< of CPUID, whether enabled or not: "avx2", "avx512f", ...
  uint64_t xcr0 = 0;               ///< XGETBV(0): the register state that the OS saves
  bool xcr0_known = false;         ///< false for dumps, which do not hold it
};

/// This machine. Executes XGETBV only where CPUID says that the OS enabled it, so it runs on an SSE2-only CPU.
Cpu detect_cpu();

/// A libcpuid raw dump, as `cpuid_tool --save` writes it. Throws InputError naming the file, the line and the remedy for
/// anything else.
Cpu read_cpu_dump(const std::string& path);

struct IsaStatus {
  bool runnable;
  std::string reason;  ///< "" if runnable; else what the CPU lacks or what the OS has not enabled
};

/// Whether `cpu` runs an ISA of isa_names(). Throws InputError for another name.
IsaStatus isa_status(const Cpu& cpu, std::string_view isa);

/// Every ISA, the simpler first: ties between variants go to the earlier. Plain C++ for any CPU, then the compiler's code
/// by level, x87, hand-written vector code by width, and code generated at run time.
const std::vector<std::string>& isa_names();

nlohmann::json to_json(const Cpu& cpu);

/// Identity, caches, and for each ISA whether it runs and why not, for people.
std::string describe(const Cpu& cpu);

}  // namespace assay
