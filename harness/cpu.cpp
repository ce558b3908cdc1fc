#include "harness/cpu.h"

#include <cpuid.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <libcpuid/libcpuid.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <fstream>
#include <memory>
#include <span>
#include <sstream>

#include "harness/atomic_file.h"
#include "harness/error.h"

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
    {"sse", 1, edx, 25},        {"sse2", 1, edx, 26},          {"sse3", 1, ecx, 0},           {"ssse3", 1, ecx, 9},
    {"fma", 1, ecx, 12},        {"cx16", 1, ecx, 13},          {"sse4_1", 1, ecx, 19},        {"sse4_2", 1, ecx, 20},
    {"movbe", 1, ecx, 22},      {"popcnt", 1, ecx, 23},        {"xsave", 1, ecx, 26},         {"osxsave", 1, ecx, 27},
    {"avx", 1, ecx, 28},        {"f16c", 1, ecx, 29},          {"hypervisor", 1, ecx, 31},    {"bmi1", 7, ebx, 3},
    {"avx2", 7, ebx, 5},        {"bmi2", 7, ebx, 8},           {"avx512f", 7, ebx, 16},       {"avx512dq", 7, ebx, 17},
    {"avx512_ifma", 7, ebx, 21}, {"avx512cd", 7, ebx, 28},     {"avx512bw", 7, ebx, 30},      {"avx512vl", 7, ebx, 31},
    {"avx512_vbmi", 7, ecx, 1}, {"avx512_vbmi2", 7, ecx, 6},   {"gfni", 7, ecx, 8},           {"vaes", 7, ecx, 9},
    {"avx512_vnni", 7, ecx, 11}, {"avx512_bitalg", 7, ecx, 12}, {"avx512_vpopcntdq", 7, ecx, 14}, {"amx_bf16", 7, edx, 22},
    {"avx512_fp16", 7, edx, 23}, {"amx_tile", 7, edx, 24},     {"amx_int8", 7, edx, 25},      {"avx_vnni", 0x70001, eax, 4},
    {"avx512_bf16", 0x70001, eax, 5}, {"lahf", 0x80000001, ecx, 0}, {"lzcnt", 0x80000001, ecx, 5},
};

// XCR0 bits (Intel SDM vol. 1, section 13.3).
constexpr uint64_t kYmmState = 0x6;   // SSE and AVX
constexpr uint64_t kZmmState = 0xe6;  // and opmask, ZMM_Hi256, Hi16_ZMM

struct Isa {
  const char* name;
  std::vector<const char*> features;
  uint64_t xcr0;
};

// The x86-64 psABI, section 3.1.1, defines the levels.
const std::vector<Isa>& isas() {
  static const std::vector<Isa> table = [] {
    const std::vector<const char*> v2 = {"cx16", "lahf", "popcnt", "sse3", "ssse3", "sse4_1", "sse4_2"};
    std::vector<const char*> v3 = v2;
    v3.insert(v3.end(), {"osxsave", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "lzcnt", "movbe"});
    std::vector<const char*> v4 = v3;
    v4.insert(v4.end(), {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"});
    std::vector<const char*> vnni = v4;
    vnni.push_back("avx512_vnni");
    std::vector<const char*> bf16 = v4;
    bf16.push_back("avx512_bf16");
    return std::vector<Isa>{{"scalar", {}, 0},         {"auto_v2", v2, 0},          {"auto_v3", v3, kYmmState},     {"auto_v4", v4, kZmmState},
                            {"x87", {}, 0},            {"sse", v2, 0},              {"avx2", v3, kYmmState},        {"avx512", v4, kZmmState},
                            {"avx512_vnni", vnni, kZmmState}, {"avx512_bf16", bf16, kZmmState}, {"jit_avx2", v3, kYmmState}, {"jit_avx512", v4, kZmmState}};
  }();
  return table;
}

const Isa& find_isa(std::string_view name) {
  const auto it = std::ranges::find_if(isas(), [&](const Isa& isa) { return name == isa.name; });
  if (it == isas().end()) {
    throw InputError(fmt::format("unknown ISA or variant '{}'; they are: {}", name, fmt::join(isa_names(), ", ")));
  }
  return *it;
}

uint64_t read_xcr0() {
  uint32_t low = 0;
  uint32_t high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}

std::string printable(const char* text, size_t size) {
  std::string out;
  for (size_t i = 0; i < size && text[i] != '\0'; ++i) {
    if (std::isprint(static_cast<unsigned char>(text[i])) != 0 && (text[i] != ' ' || (!out.empty() && out.back() != ' '))) {
      out += text[i];
    }
  }
  while (!out.empty() && out.back() == ' ') {
    out.pop_back();
  }
  return out;
}

/// Leaf 7 subleaf 1 is not in libcpuid's raw data: the caller gives it, zeros if unknown.
Cpu decode(const cpu_raw_data_t& raw, const std::array<uint32_t, 4>& leaf7_1) {
  Cpu cpu;
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
  if (cpu.family == 6 || cpu.family == 15) {
    cpu.model += static_cast<int>(((signature >> 16) & 0xf) << 4);
  }
  if (cpu.family == 15) {
    cpu.family += static_cast<int>((signature >> 20) & 0xff);
  }
  for (const auto& f : kFeatures) {
    const bool known = f.leaf == 1 || ((f.leaf & 0xffff) == 7 || f.leaf == 0x70001 ? id[eax] >= 7 : raw.ext_cpuid[0][eax] >= f.leaf);
    const uint32_t value = f.leaf == 0x70001 ? leaf7_1[f.reg] : f.leaf == 0x80000001 ? raw.ext_cpuid[1][f.reg] : raw.basic_cpuid[f.leaf][f.reg];
    if (known && ((value >> f.bit) & 1) != 0) {
      cpu.features.insert(f.name);
    }
  }
  // libcpuid knows the many places where caches and names hide. It refuses some emulated CPUs: then they stay unknown.
  auto identified = std::make_unique<cpu_id_t>();
  cpu_raw_data_t copy = raw;
  if (cpu_identify(&copy, identified.get()) == 0) {
    constexpr size_t kSlice = size_t{32} << 20;
    const auto bytes = [](int32_t kib) { return kib > 0 ? static_cast<size_t>(kib) << 10 : 0; };
    cpu.caches = {bytes(identified->l1_data_cache), bytes(identified->l2_cache), std::min(bytes(identified->l3_cache), kSlice)};
    cpu.codename = printable(identified->cpu_codename, sizeof identified->cpu_codename);
    cpu.logical_cpus = identified->num_logical_cpus;
  }
  if (cpu.brand.empty()) {
    cpu.brand = fmt::format("{} family {} model {}", cpu.vendor, cpu.family, cpu.model);
  }
  return cpu;
}

InputError bad_dump(const std::string& path, size_t line, const std::string& why) {
  return InputError(fmt::format("{}:{}: {}; expected a libcpuid raw dump, as `cpuid_tool --save=FILE` writes it", path, line, why));
}

/// The registers of group `name` (its lines are name[0]... in a dump) and how many there are.
std::span<uint32_t[4]> group_of(cpu_raw_data_t& raw, std::string_view name) {
  if (name == "basic_cpuid") return raw.basic_cpuid;
  if (name == "ext_cpuid") return raw.ext_cpuid;
  if (name == "intel_fn4") return raw.intel_fn4;
  if (name == "intel_fn11") return raw.intel_fn11;
  if (name == "intel_fn12h") return raw.intel_fn12h;
  if (name == "intel_fn14h") return raw.intel_fn14h;
  if (name == "amd_fn8000001dh") return raw.amd_fn8000001dh;
  return {};
}

/// libcpuid's own reader ignores what it does not understand, so a truncated or wrong file would pass as an old CPU; and
/// that of 0.6 copies the version line into 8 bytes of its stack, however long it is.
cpu_raw_data_t parse_dump(const std::string& path, const std::string& text) {
  cpu_raw_data_t raw{};
  std::istringstream in(text);
  std::string line;
  size_t number = 0;
  size_t leaf_lines = 0;
  bool leaf0 = false;
  bool leaf1 = false;
  bool ext0 = false;
  while (std::getline(in, line)) {
    ++number;
    if (line.empty() || line[0] == '#' || line.starts_with("version=") || line.starts_with("build_date=") || line.starts_with("delimiter") ||
        line.starts_with("----")) {
      continue;
    }
    if (line.starts_with("=") || line.starts_with("_")) {
      throw bad_dump(path, number, "this part holds another core or a format newer than this library reads: keep the first core's lines");
    }
    char name[32];
    unsigned index = 0;
    uint32_t r[4];
    int used = 0;
    // Digits only: sscanf takes signs and spaces for parts of a number. Four digits of an index do not overflow.
    if (line.find_first_of(" \t+-") != line.find(' ', line.find('=')) ||
        std::sscanf(line.c_str(), "%31[a-z0-9_][%4u]=%8x %8x %8x %8x%n", name, &index, &r[0], &r[1], &r[2], &r[3], &used) != 6 ||
        static_cast<size_t>(used) != line.size()) {
      throw bad_dump(path, number, fmt::format("'{}' is no line of CPUID registers", printable(line.c_str(), std::min<size_t>(line.size(), 60))));
    }
    ++leaf_lines;
    const std::string_view kind = name;
    const auto group = group_of(raw, kind);
    if (index >= group.size()) {
      throw bad_dump(path, number, group.empty() ? fmt::format("unknown group '{}'", kind) : fmt::format("index {} of {} is over {}", index, kind, group.size() - 1));
    }
    std::ranges::copy(r, group[index]);
    leaf0 = leaf0 || (kind == "basic_cpuid" && index == 0 && r[eax] != 0);
    leaf1 = leaf1 || (kind == "basic_cpuid" && index == 1 && r[eax] != 0);
    ext0 = ext0 || (kind == "ext_cpuid" && index == 1);
  }
  if (!leaf0 || !leaf1 || !ext0) {
    throw bad_dump(path, number, fmt::format("the file ends after {} register lines without basic_cpuid[0], basic_cpuid[1] and ext_cpuid[1]: it is truncated or no dump", leaf_lines));
  }
  return raw;
}

}  // namespace

Cpu detect_cpu() {
  cpu_raw_data_t raw{};
  std::array<uint32_t, 4> leaf7_1{};
  if (cpuid_get_raw_data(&raw) != 0) {
    throw MachineError(fmt::format("libcpuid cannot read this CPU: {}", cpuid_error()));
  }
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  if (__get_cpuid_count(7, 1, &a, &b, &c, &d) != 0) {
    leaf7_1 = {a, b, c, d};
  }
  Cpu cpu = decode(raw, leaf7_1);
  cpu.xcr0_known = true;
  cpu.xcr0 = cpu.features.contains("osxsave") ? read_xcr0() : 0;
  cpu.logical_cpus = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  return cpu;
}

Cpu read_cpu_dump(const std::string& path) {
  constexpr size_t kLargest = size_t{1} << 20;
  return decode(parse_dump(path, read_small_file(path, kLargest)), {});
}

IsaStatus isa_status(const Cpu& cpu, std::string_view name) {
  const Isa& isa = find_isa(name);
  std::vector<const char*> missing;
  for (const char* f : isa.features) {
    if (!cpu.features.contains(f)) {
      missing.push_back(f);
    }
  }
  if (!missing.empty()) {
    return {false, fmt::format("the CPU lacks {}", fmt::join(missing, ", "))};
  }
  if (cpu.xcr0_known && (cpu.xcr0 & isa.xcr0) != isa.xcr0) {
    return {false, fmt::format("the CPU has it, but the operating system has not enabled the {} registers (XCR0 is {:#x}, needs {:#x})",
                               isa.xcr0 == kZmmState ? "ZMM and mask" : "YMM", cpu.xcr0, isa.xcr0)};
  }
  return {true, ""};
}

const std::vector<std::string>& isa_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const auto& isa : isas()) {
      list.emplace_back(isa.name);
    }
    return list;
  }();
  return names;
}

nlohmann::json to_json(const Cpu& cpu) {
  auto isa_list = nlohmann::json::array();
  for (const auto& name : isa_names()) {
    const IsaStatus status = isa_status(cpu, name);
    isa_list.push_back({{"isa", name}, {"runnable", status.runnable}, {"reason", status.reason}});
  }
  return {{"vendor", cpu.vendor},
          {"brand", cpu.brand},
          {"codename", cpu.codename},
          {"family", cpu.family},
          {"model", cpu.model},
          {"stepping", cpu.stepping},
          {"logical_cpus", cpu.logical_cpus},
          {"caches", {{"l1d", cpu.caches.l1d}, {"l2", cpu.caches.l2}, {"l3", cpu.caches.l3}}},
          {"features", cpu.features},
          {"xcr0", cpu.xcr0_known ? nlohmann::json(fmt::format("{:#x}", cpu.xcr0)) : nlohmann::json()},
          {"isas", isa_list}};
}

std::string describe(const Cpu& cpu) {
  const auto size = [](size_t bytes) { return bytes == 0 ? "unknown" : bytes < (1u << 20) ? fmt::format("{} KiB", bytes >> 10) : fmt::format("{} MiB", bytes >> 20); };
  std::string text = fmt::format("{}\n{} family {} model {} stepping {}, {} logical CPUs; caches of a core: L1d {}, L2 {}, L3 {}\n", cpu.brand, cpu.vendor, cpu.family,
                                 cpu.model, cpu.stepping, cpu.logical_cpus, size(cpu.caches.l1d), size(cpu.caches.l2), size(cpu.caches.l3));
  for (const auto& isa : isas()) {
    const IsaStatus status = isa_status(cpu, isa.name);
    std::string note = status.runnable ? "runs" : "cannot run: " + status.reason;
    if (status.runnable && !cpu.xcr0_known && isa.xcr0 != 0) {
      note = fmt::format("runs if the operating system enables the {} registers (a dump does not tell)", isa.xcr0 == kZmmState ? "ZMM and mask" : "YMM");
    }
    text += fmt::format("  {:<12} {}\n", isa.name, note);
  }
  return text;
}

}  // namespace assay
