#pragma once
#include <libcpuid/libcpuid.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace assay {

/// The CPUID registers of one logical CPU: EAX, EBX, ECX, EDX.
struct RawCore {
  cpu_raw_data_t raw{};
  std::optional<std::array<uint32_t, 4>> leaf7_1;  ///< leaf 7 subleaf 1, for which libcpuid's data has no place
  int number = 0;                                  ///< of the logical CPU
  size_t line = 1;                                 ///< where it begins in the dump
};

/// The cores of a raw dump (see read_cpu_dump), at least one. Every core is whole, else InputError names `path`, the
/// line and the remedy: libcpuid's own reader skips what it does not understand, so that half a file passes for an
/// older CPU.
std::vector<RawCore> parse_cpu_dump(const std::string& path, const std::string& text);

}  // namespace assay
