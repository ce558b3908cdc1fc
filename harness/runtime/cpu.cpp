#include "harness/runtime/cpu.h"

#include <cpuid.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <libcpuid/libcpuid.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>

#include "harness/runtime/atomic_file.h"
#include "harness/runtime/codename.h"
#include "harness/runtime/cpu_dump.h"
#include "harness/runtime/error.h"
#include "harness/runtime/jit_code.h"

namespace assay {
namespace {

enum Register { eax, ebx, ecx, edx };

// Bits of CPUID, after the Intel SDM vol. 2A (CPUID) and the AMD APM vol. 3 (appendix E).
struct FeatureBit {
  const char* name;
  uint32_t leaf;  // 1, 7, 0x70001 for leaf 7 subleaf 1, 0x80000001
  Register reg;
  int bit;
};
constexpr FeatureBit kFeatures[] = {
    {"sse", 1, edx, 25},
    {"sse2", 1, edx, 26},
    {"sse3", 1, ecx, 0},
    {"ssse3", 1, ecx, 9},
    {"fma", 1, ecx, 12},
    {"cx16", 1, ecx, 13},
    {"sse4_1", 1, ecx, 19},
    {"sse4_2", 1, ecx, 20},
    {"movbe", 1, ecx, 22},
    {"popcnt", 1, ecx, 23},
    {"xsave", 1, ecx, 26},
    {"osxsave", 1, ecx, 27},
    {"avx", 1, ecx, 28},
    {"f16c", 1, ecx, 29},
    {"hypervisor", 1, ecx, 31},
    {"bmi1", 7, ebx, 3},
    {"avx2", 7, ebx, 5},
    {"bmi2", 7, ebx, 8},
    {"avx512f", 7, ebx, 16},
    {"avx512dq", 7, ebx, 17},
    {"avx512_ifma", 7, ebx, 21},
    {"avx512cd", 7, ebx, 28},
    {"avx512bw", 7, ebx, 30},
    {"avx512vl", 7, ebx, 31},
    {"avx512_vbmi", 7, ecx, 1},
    {"avx512_vbmi2", 7, ecx, 6},
    {"gfni", 7, ecx, 8},
    {"vaes", 7, ecx, 9},
    {"avx512_vnni", 7, ecx, 11},
    {"avx512_bitalg", 7, ecx, 12},
    {"avx512_vpopcntdq", 7, ecx, 14},
    {"amx_bf16", 7, edx, 22},
    {"avx512_fp16", 7, edx, 23},
    {"amx_tile", 7, edx, 24},
    {"amx_int8", 7, edx, 25},
    {"avx_vnni", 0x70001, eax, 4},
    {"avx512_bf16", 0x70001, eax, 5},
    {"lahf", 0x80000001, ecx, 0},
    {"lzcnt", 0x80000001, ecx, 5},
    {"xop", 0x80000001, ecx, 11},
    {"fma4", 0x80000001, ecx, 16},
    {"hybrid", 7, edx, 15},
};

// XCR0 bits (Intel SDM vol. 1, section 13.3): SSE, AVX, opmask, ZMM_Hi256, Hi16_ZMM. SSE and AVX alone are 0x6.
constexpr uint64_t kZmmState = 0xe6;
// Bits 17 and 18: the tiles of AMX and their configuration.
constexpr uint64_t kTileState = 0x60000;

/// The registers that the bits of XCR0 stand for, for people.
const char* registers_of(uint64_t xcr0) {
  return (xcr0 & kTileState) != 0 ? "tile" : (xcr0 & kZmmState) == kZmmState ? "ZMM and mask" : "YMM";
}

// Where these components end in the standard XSAVE area (CPUID leaf 0xD, subleaves 2 and 7): legacy area and header
// take 576 bytes, AVX 256. The ZMM state ends at 2688 on Intel CPUs, at 2432 on AMD's, which leave no room for MPX. A
// smaller area cannot hold it; a larger one may be another component's (PKRU lies behind it).
constexpr uint32_t kYmmEnd = 832;
constexpr uint32_t kZmmEnd = 2432;

uint64_t read_xcr0() {
  uint32_t low = 0;
  uint32_t high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}

std::string printable(const char* text, size_t size) {
  std::string out;
  for (size_t i = 0; i < size && text[i] != '\0'; ++i) {
    const bool repeated_space = text[i] == ' ' && (out.empty() || out.back() == ' ');
    if (std::isprint(static_cast<unsigned char>(text[i])) != 0 && !repeated_space) {
      out += text[i];
    }
  }
  while (!out.empty() && out.back() == ' ') {
    out.pop_back();
  }
  return out;
}

Cpu decode(const RawCore& core) {
  Cpu cpu;
  const cpu_raw_data_t& raw = core.raw;
  const auto& id = raw.basic_cpuid[0];
  char vendor[12];
  std::memcpy(vendor, &id[ebx], 4);
  std::memcpy(vendor + 4, &id[edx], 4);
  std::memcpy(vendor + 8, &id[ecx], 4);
  cpu.vendor = printable(vendor, sizeof vendor);
  char brand[48];
  for (int leaf = 0; leaf < 3; ++leaf) {
    std::memcpy(brand + 16 * leaf, raw.ext_cpuid[2 + leaf], 16);
  }
  cpu.brand = printable(brand, raw.ext_cpuid[0][eax] >= 0x80000004u ? sizeof brand : 0);
  const uint32_t signature = raw.basic_cpuid[1][eax];
  cpu.stepping = static_cast<int>(signature & 0xf);
  cpu.family = static_cast<int>((signature >> 8) & 0xf);
  cpu.model = static_cast<int>((signature >> 4) & 0xf);
  // As Linux's x86_model() has it. Intel and AMD name families 6 and 15 only; Zhaoxin's family 7 has such models too.
  if (cpu.family >= 6) {
    cpu.model += static_cast<int>(((signature >> 16) & 0xf) << 4);
  }
  if (cpu.family == 15) {
    cpu.family += static_cast<int>((signature >> 20) & 0xff);
  }
  for (const auto& f : kFeatures) {
    // Past the last leaf Intel CPUs answer with the data of the last one: such bits mean nothing.
    const bool exists = f.leaf == 0x80000001 ? raw.ext_cpuid[0][eax] >= f.leaf : id[eax] >= (f.leaf & 0xf);
    uint32_t value = 0;
    if (f.leaf == 0x70001) {
      const uint32_t last_subleaf = raw.basic_cpuid[7][eax];
      if (exists && last_subleaf >= 1 && !core.leaf7_1) {
        cpu.unknown_features.insert(f.name);
      }
      value = last_subleaf >= 1 && core.leaf7_1 ? (*core.leaf7_1)[f.reg] : 0;
    } else {
      value = f.leaf == 0x80000001 ? raw.ext_cpuid[1][f.reg] : raw.basic_cpuid[f.leaf][f.reg];
    }
    if (exists && ((value >> f.bit) & 1) != 0) {
      cpu.features.insert(f.name);
    }
  }
  if (id[eax] >= 0xd && raw.basic_cpuid[0xd][eax] != 0) {
    cpu.xcr0_supported = (static_cast<uint64_t>(raw.basic_cpuid[0xd][edx]) << 32) | raw.basic_cpuid[0xd][eax];
    cpu.xsave_bytes = raw.basic_cpuid[0xd][ebx];
  }
  cpu.codename = codename_of(cpu);
  // libcpuid knows the many places where caches hide; its code names are guesses where it does not know a CPU. It refuses some
  // emulated CPUs: then they stay unknown.
  cpuid_set_warn_function(nullptr);  // it would print what it does not know to stderr
  auto identified = std::make_unique<cpu_id_t>();
  cpu_raw_data_t copy = raw;
  if (cpu_identify(&copy, identified.get()) == 0) {
    constexpr size_t kSlice = size_t{32} << 20;
    const auto bytes = [](int32_t kib) { return kib > 0 ? static_cast<size_t>(kib) << 10 : 0; };
    cpu.caches = {bytes(identified->l1_data_cache), bytes(identified->l2_cache),
                  std::min(bytes(identified->l3_cache), kSlice)};
    cpu.logical_cpus = identified->num_logical_cpus;
  }
  if (cpu.brand.empty()) {
    cpu.brand = fmt::format("{} family {} model {}", cpu.vendor, cpu.family, cpu.model);
  }
  return cpu;
}

std::string kind_name(const RawCore& core, const Cpu& cpu) {
  // Leaf 0x1A, EAX bits 31-24: the core type of a hybrid CPU (Intel SDM vol. 2A, CPUID).
  const uint32_t type = core.raw.basic_cpuid[0][eax] >= 0x1a ? core.raw.basic_cpuid[0x1a][eax] >> 24 : 0;
  if (cpu.features.contains("hybrid") && (type == 0x40 || type == 0x20)) {
    return type == 0x40 ? "P-core" : "E-core";
  }
  return fmt::format("family {} model {} stepping {}", cpu.family, cpu.model, cpu.stepping);
}

/// Logical CPUs of the package, as leaf 0xB counts them at its last level, else leaf 1; at least 1.
uint32_t topology_count(const cpu_raw_data_t& raw) {
  uint32_t count = 0;
  if (raw.basic_cpuid[0][eax] >= 0xb) {
    for (const auto& level : raw.intel_fn11) {
      if ((level[ecx] & 0xff00) != 0) {
        count = std::max(count, level[ebx] & 0xffff);
      }
    }
  } else if ((raw.basic_cpuid[1][edx] >> 28 & 1) != 0) {
    count = raw.basic_cpuid[1][ebx] >> 16 & 0xff;
  }
  return std::max(count, 1u);
}

/// Features, state and caches that every core has, and warnings where they differ.
Cpu what_all_have(const std::vector<RawCore>& cores, const std::vector<Cpu>& decoded) {
  Cpu all = decoded.front();
  struct Kind {
    CoreKind kind;
    const Cpu* cpu;
  };
  std::vector<Kind> kinds;
  for (size_t i = 0; i < cores.size(); ++i) {
    const Cpu& cpu = decoded[i];
    const auto lacks = [&](const auto& f) { return !cpu.features.contains(f) && !cpu.unknown_features.contains(f); };
    std::erase_if(all.features, lacks);
    for (const auto& f : cpu.unknown_features) {  // the others have it: whether all do is unknown
      if (all.features.erase(f) != 0) {
        all.unknown_features.insert(f);
      }
    }
    std::erase_if(all.unknown_features, lacks);
    all.xcr0_supported &= cpu.xcr0_supported;
    all.xsave_bytes = std::min(all.xsave_bytes, cpu.xsave_bytes);
    const auto least = [](size_t a, size_t b) { return a == 0 || b == 0 ? std::max(a, b) : std::min(a, b); };
    all.caches = {least(all.caches.l1d, cpu.caches.l1d), least(all.caches.l2, cpu.caches.l2),
                  least(all.caches.l3, cpu.caches.l3)};
    const std::string name = kind_name(cores[i], cpu);
    auto same = std::ranges::find_if(kinds, [&](const Kind& k) {
      return k.kind.name == name && k.cpu->features == cpu.features && k.cpu->xcr0_supported == cpu.xcr0_supported;
    });
    if (same == kinds.end()) {
      same = kinds.insert(same, {{name, {}, {}}, &cpu});
    }
    same->kind.cpus.push_back(cores[i].number);
  }
  for (auto& k : kinds) {
    std::ranges::set_difference(k.cpu->features, all.features, std::inserter(k.kind.only_here, k.kind.only_here.end()));
    if (!k.kind.only_here.empty()) {
      all.warnings.push_back(fmt::format("cores differ: CPUs {} ({}) have {}, others lack it; what all have counts",
                                         fmt::join(k.kind.cpus, ","), k.kind.name, fmt::join(k.kind.only_here, ", ")));
    }
    all.core_kinds.push_back(k.kind);
  }
  if (kinds.size() > 1 && all.warnings.empty()) {
    all.warnings.emplace_back("cores differ in kind, but have the same features");
  }
  const uint32_t expected = topology_count(cores.front().raw);
  if (cores.size() > 1 && cores.size() < expected) {
    all.warnings.push_back(
        fmt::format("the dump holds {} logical CPUs, CPUID counts {} in a package: others may "
                    "differ, or the file is truncated",
                    cores.size(), expected));
  }
  if (cores.size() == 1 && all.features.contains("hybrid")) {
    all.warnings.emplace_back("this CPU is hybrid and the dump holds one core: the other kind may lack its features");
  }
  all.logical_cpus = cores.size() > 1 ? static_cast<int>(cores.size()) : all.logical_cpus;
  return all;
}

}  // namespace

Cpu detect_cpu() {
  RawCore core;
  if (cpuid_get_raw_data(&core.raw) != 0) {
    throw MachineError(fmt::format("libcpuid cannot read this CPU: {}", cpuid_error()));
  }
  core.leaf7_1.emplace();  // zeros where it does not exist
  auto& r = *core.leaf7_1;
  __get_cpuid_count(7, 1, &r[eax], &r[ebx], &r[ecx], &r[edx]);
  Cpu cpu = decode(core);
  cpu.xcr0_known = true;
  cpu.xcr0 = cpu.features.contains("osxsave") ? read_xcr0() : 0;
  cpu.logical_cpus = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  static const std::string refused = why_no_executable_memory();
  cpu.no_executable_memory = refused;
  return cpu;
}

Cpu read_cpu_dump(const std::string& path) {
  constexpr size_t kLargest = size_t{32} << 20;  // a logical CPU takes about 5 KB
  const std::vector<RawCore> cores = parse_cpu_dump(path, read_small_file(path, kLargest));
  std::vector<Cpu> decoded;
  for (const auto& core : cores) {
    decoded.push_back(decode(core));
    if (decoded.back().vendor != decoded.front().vendor) {
      throw InputError(
          fmt::format("{}:{}: this core's vendor is '{}', the first one's '{}': two machines' dumps were "
                      "joined; give one machine's",
                      path, core.line, decoded.back().vendor, decoded.front().vendor));
    }
  }
  return what_all_have(cores, decoded);
}

IsaStatus isa_status(const Cpu& cpu, std::string_view name) {
  const Isa& isa = find_isa(name);
  std::vector<std::string> missing;
  std::vector<std::string> unknown;
  for (const auto& f : isa.features) {
    if (cpu.unknown_features.contains(f)) {
      unknown.push_back(f);
    } else if (!cpu.features.contains(f) && f != "osxsave") {
      missing.push_back(f);
    }
  }
  if (!missing.empty()) {
    return {false, fmt::format("the CPU lacks {}", fmt::join(missing, ", "))};
  }
  if (isa.xcr0 != 0 && !cpu.features.contains("osxsave")) {
    return {false, "the CPU has it, but the operating system has not enabled XSAVE (OSXSAVE in CPUID leaf 1 is 0)"};
  }
  if (isa.kind == IsaKind::generated && !cpu.no_executable_memory.empty()) {
    return {false, cpu.no_executable_memory};
  }
  const char* registers = registers_of(isa.xcr0);
  if (cpu.xcr0_known) {
    if ((cpu.xcr0 & isa.xcr0) != isa.xcr0) {
      return {false, fmt::format("the CPU has it, but the operating system has not enabled the {} registers (XCR0 is "
                                 "{:#x}, needs {:#x})",
                                 registers, cpu.xcr0, isa.xcr0)};
    }
  } else if ((cpu.xcr0_supported & isa.xcr0) != isa.xcr0) {
    return {false, fmt::format("CPUID lists it, but offers no {} registers to enable (leaf 0xD allows XCR0 bits {:#x}, "
                               "it needs {:#x}): a hypervisor hides them",
                               registers, cpu.xcr0_supported, isa.xcr0)};
  } else if (const uint32_t end = (isa.xcr0 & kZmmState) == kZmmState ? kZmmEnd
                                  : isa.xcr0 != 0                     ? kYmmEnd
                                                                      : 0;
             cpu.xsave_bytes != 0 && cpu.xsave_bytes < end) {
    return {false, fmt::format("the CPU has it, but when this dump was made the operating system had not enabled the "
                               "{} registers (leaf 0xD: {} bytes of enabled state, they need {})",
                               registers, cpu.xsave_bytes, end)};
  }
  if (!unknown.empty()) {
    return {false, fmt::format("cannot tell: the dump does not hold CPUID leaf 7 subleaf 1, which has {}",
                               fmt::join(unknown, ", "))};
  }
  return {true, ""};
}

std::string needed_xcr0(std::string_view isa) {
  const uint64_t bits = find_isa(isa).xcr0;
  std::string names = (bits & kZmmState) == kZmmState ? "SSE, AVX, opmask, ZMM_Hi256 and Hi16_ZMM"
                      : (bits & kZmmState) != 0       ? "SSE and AVX"
                                                      : "";
  if ((bits & kTileState) != 0) {
    names += names.empty() ? "tiles of AMX" : " and the tiles of AMX";
  }
  return names.empty() ? "" : fmt::format("{} ({:#x})", names, bits);
}

nlohmann::json to_json(const Cpu& cpu) {
  auto isa_list = nlohmann::json::array();
  for (const auto& name : isa_names()) {
    const IsaStatus status = isa_status(cpu, name);
    isa_list.push_back(
        {{"isa", name}, {"runnable", status.runnable}, {"reason", status.reason}, {"xcr0", needed_xcr0(name)}});
  }
  auto core_kinds = nlohmann::json::array();
  for (const auto& kind : cpu.core_kinds) {
    core_kinds.push_back({{"name", kind.name}, {"cpus", kind.cpus}, {"only_here", kind.only_here}});
  }
  return {{"vendor", cpu.vendor},
          {"brand", cpu.brand},
          {"codename", cpu.codename},
          {"archspec", archspec_of(cpu)},
          {"family", cpu.family},
          {"model", cpu.model},
          {"stepping", cpu.stepping},
          {"logical_cpus", cpu.logical_cpus},
          {"caches", {{"l1d", cpu.caches.l1d}, {"l2", cpu.caches.l2}, {"l3", cpu.caches.l3}}},
          {"features", cpu.features},
          {"unknown_features", cpu.unknown_features},
          {"warnings", cpu.warnings},
          {"core_kinds", core_kinds},
          {"xcr0", cpu.xcr0_known ? nlohmann::json(fmt::format("{:#x}", cpu.xcr0)) : nlohmann::json()},
          {"isas", isa_list}};
}

std::string describe(const Cpu& cpu) {
  const auto size = [](size_t bytes) {
    return bytes == 0           ? "unknown"
           : bytes < (1u << 20) ? fmt::format("{} KiB", bytes >> 10)
                                : fmt::format("{} MiB", bytes >> 20);
  };
  std::string text = fmt::format(
      "{}\n{} family {} model {} stepping {} ({}), {} logical CPUs; caches of a core: L1d {}, L2 {}, L3 {}\n",
      cpu.brand, cpu.vendor, cpu.family, cpu.model, cpu.stepping, archspec_of(cpu), cpu.logical_cpus,
      size(cpu.caches.l1d), size(cpu.caches.l2), size(cpu.caches.l3));
  if (cpu.core_kinds.size() > 1) {
    for (const auto& kind : cpu.core_kinds) {
      text += fmt::format("{} x {}: CPUs {}\n", kind.cpus.size(), kind.name, fmt::join(kind.cpus, ","));
    }
  }
  for (const auto& warning : cpu.warnings) {
    text += fmt::format("warning: {}\n", warning);
  }
  for (const auto& isa : isas()) {
    const IsaStatus status = isa_status(cpu, isa.name);
    std::string note = status.runnable ? "runs" : "cannot run: " + status.reason;
    if (status.runnable && !cpu.xcr0_known && isa.xcr0 != 0) {
      note = fmt::format("runs if the operating system enables the {} registers (a dump does not tell): XCR0 bits {}",
                         registers_of(isa.xcr0), needed_xcr0(isa.name));
    }
    text += fmt::format("  {:<15} {}\n", isa.name, note);
  }
  return text;
}

}  // namespace assay
