#include "harness/runtime/codename.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "harness/runtime/cpu.h"

namespace assay {
namespace {

struct Design {
  const char* vendor;
  int family;
  int first_model, last_model;
  const char* name;
  const char* archspec = nullptr;  ///< null: archspec has no name for it, or none that is known to be right
  int first_stepping = 0, last_stepping = 15;
};

constexpr const char* kIntel = "GenuineIntel";
constexpr const char* kAmd = "AuthenticAMD";

// Intel: arch/x86/include/asm/intel-family.h of Linux; one model number of three designs is told apart by the stepping (Intel's
// specification updates). AMD: bsp_init_amd() of arch/x86/kernel/cpu/amd.c for Zen, the revision guides before it.
// Zhaoxin: get_zhaoxin_cpu() of GCC's common/config/i386/cpuinfo.h.
// archspec: cpu/microarchitectures.json of archspec-json 90b453f, which names a design by its features. Those designs alone have
// a name here that it made the name for, or that differ from these in nothing that it looks at (Kaby Lake, Zen+, Raptor Lake);
// the machines in its tests/targets/ that say their family and model agree.
constexpr Design kDesigns[] = {
    {kIntel, 6, 0x0f, 0x0f, "Merom", "core2"},
    {kIntel, 6, 0x16, 0x16, "Merom", "core2"},
    {kIntel, 6, 0x17, 0x17, "Penryn", "core2"},
    {kIntel, 6, 0x1d, 0x1d, "Dunnington", "core2"},
    {kIntel, 6, 0x1a, 0x1a, "Nehalem", "nehalem"},
    {kIntel, 6, 0x1e, 0x1f, "Nehalem", "nehalem"},
    {kIntel, 6, 0x2e, 0x2e, "Nehalem", "nehalem"},
    {kIntel, 6, 0x25, 0x25, "Westmere", "westmere"},
    {kIntel, 6, 0x2c, 0x2c, "Westmere", "westmere"},
    {kIntel, 6, 0x2f, 0x2f, "Westmere", "westmere"},
    {kIntel, 6, 0x2a, 0x2a, "Sandy Bridge", "sandybridge"},
    {kIntel, 6, 0x2d, 0x2d, "Sandy Bridge", "sandybridge"},
    {kIntel, 6, 0x3a, 0x3a, "Ivy Bridge", "ivybridge"},
    {kIntel, 6, 0x3e, 0x3e, "Ivy Bridge", "ivybridge"},
    {kIntel, 6, 0x3c, 0x3c, "Haswell", "haswell"},
    {kIntel, 6, 0x3f, 0x3f, "Haswell", "haswell"},
    {kIntel, 6, 0x45, 0x46, "Haswell", "haswell"},
    {kIntel, 6, 0x3d, 0x3d, "Broadwell", "broadwell"},
    {kIntel, 6, 0x47, 0x47, "Broadwell", "broadwell"},
    {kIntel, 6, 0x4f, 0x4f, "Broadwell", "broadwell"},
    {kIntel, 6, 0x56, 0x56, "Broadwell", "broadwell"},
    {kIntel, 6, 0x4e, 0x4e, "Skylake", "skylake"},
    {kIntel, 6, 0x5e, 0x5e, "Skylake", "skylake"},
    {kIntel, 6, 0x55, 0x55, "Skylake", "skylake_avx512", 0, 4},
    {kIntel, 6, 0x55, 0x55, "Cascade Lake", "cascadelake", 5, 7},
    {kIntel, 6, 0x55, 0x55, "Cooper Lake", nullptr, 10, 11},
    {kIntel, 6, 0x8e, 0x8e, "Kaby Lake", "skylake", 9, 9},
    {kIntel, 6, 0x9e, 0x9e, "Kaby Lake", "skylake", 9, 9},
    {kIntel, 6, 0x9e, 0x9e, "Coffee Lake", "skylake", 10, 13},
    {kIntel, 6, 0xa5, 0xa6, "Comet Lake", "skylake"},
    {kIntel, 6, 0x66, 0x66, "Cannon Lake", "cannonlake"},
    {kIntel, 6, 0x6a, 0x6a, "Ice Lake", "icelake"},
    {kIntel, 6, 0x6c, 0x6c, "Ice Lake", "icelake"},
    {kIntel, 6, 0x7d, 0x7e, "Ice Lake", "icelake"},
    {kIntel, 6, 0xa7, 0xa7, "Rocket Lake"},
    {kIntel, 6, 0x8c, 0x8d, "Tiger Lake"},
    {kIntel, 6, 0x8f, 0x8f, "Sapphire Rapids", "sapphirerapids"},
    {kIntel, 6, 0xcf, 0xcf, "Emerald Rapids"},
    {kIntel, 6, 0xad, 0xae, "Granite Rapids"},
    {kIntel, 6, 0x8a, 0x8a, "Lakefield"},
    {kIntel, 6, 0x97, 0x97, "Alder Lake", "alderlake"},
    {kIntel, 6, 0x9a, 0x9a, "Alder Lake", "alderlake"},
    {kIntel, 6, 0xbe, 0xbe, "Alder Lake-N"},
    {kIntel, 6, 0xb7, 0xb7, "Raptor Lake", "alderlake"},
    {kIntel, 6, 0xba, 0xba, "Raptor Lake", "alderlake"},
    {kIntel, 6, 0xbf, 0xbf, "Raptor Lake", "alderlake"},
    {kIntel, 6, 0xaa, 0xaa, "Meteor Lake"},
    {kIntel, 6, 0xac, 0xac, "Meteor Lake"},
    {kIntel, 6, 0xb5, 0xb5, "Arrow Lake"},
    {kIntel, 6, 0xc5, 0xc5, "Arrow Lake"},
    {kIntel, 6, 0xc6, 0xc6, "Arrow Lake", "arrowlake_s"},
    {kIntel, 6, 0xbd, 0xbd, "Lunar Lake"},
    {kIntel, 6, 0xcc, 0xcc, "Panther Lake"},
    {kIntel, 6, 0x1c, 0x1c, "Bonnell"},
    {kIntel, 6, 0x26, 0x26, "Bonnell"},
    {kIntel, 6, 0x37, 0x37, "Silvermont"},
    {kIntel, 6, 0x4d, 0x4d, "Silvermont"},
    {kIntel, 6, 0x4c, 0x4c, "Airmont"},
    {kIntel, 6, 0x5c, 0x5c, "Goldmont"},
    {kIntel, 6, 0x5f, 0x5f, "Goldmont"},
    {kIntel, 6, 0x7a, 0x7a, "Goldmont Plus"},
    {kIntel, 6, 0x86, 0x86, "Tremont"},
    {kIntel, 6, 0x96, 0x96, "Tremont"},
    {kIntel, 6, 0x9c, 0x9c, "Tremont"},
    {kIntel, 6, 0xaf, 0xaf, "Sierra Forest"},
    {kIntel, 6, 0xb6, 0xb6, "Grand Ridge"},
    {kIntel, 6, 0xdd, 0xdd, "Clearwater Forest"},
    {kIntel, 6, 0x57, 0x57, "Knights Landing", "mic_knl"},
    {kIntel, 6, 0x85, 0x85, "Knights Mill"},
    {kIntel, 18, 0x01, 0x01, "Nova Lake"},
    {kIntel, 18, 0x03, 0x03, "Nova Lake"},
    {kIntel, 19, 0x01, 0x01, "Diamond Rapids"},
    {kAmd, 0x10, 0x00, 0x0f, "K10", "k10"},
    {kAmd, 0x14, 0x00, 0x0f, "Bobcat"},
    {kAmd, 0x15, 0x00, 0x01, "Bulldozer", "bulldozer"},
    {kAmd, 0x15, 0x02, 0x02, "Piledriver", "piledriver"},
    {kAmd, 0x15, 0x10, 0x1f, "Piledriver", "piledriver"},
    {kAmd, 0x15, 0x30, 0x3f, "Steamroller", "steamroller"},
    {kAmd, 0x15, 0x60, 0x7f, "Excavator", "excavator"},
    {kAmd, 0x16, 0x00, 0x0f, "Jaguar"},
    {kAmd, 0x16, 0x30, 0x3f, "Puma"},
    {kAmd, 0x17, 0x08, 0x08, "Zen+", "zen"},
    {kAmd, 0x17, 0x18, 0x18, "Zen+", "zen"},
    {kAmd, 0x17, 0x00, 0x2f, "Zen", "zen"},
    {kAmd, 0x17, 0x50, 0x5f, "Zen", "zen"},
    {kAmd, 0x17, 0x30, 0x4f, "Zen 2", "zen2"},
    {kAmd, 0x17, 0x60, 0x7f, "Zen 2", "zen2"},
    {kAmd, 0x17, 0x90, 0x91, "Zen 2", "zen2"},
    {kAmd, 0x17, 0xa0, 0xaf, "Zen 2", "zen2"},
    {kAmd, 0x19, 0x00, 0x0f, "Zen 3", "zen3"},
    {kAmd, 0x19, 0x20, 0x5f, "Zen 3", "zen3"},
    {kAmd, 0x19, 0x10, 0x1f, "Zen 4", "zen4"},
    {kAmd, 0x19, 0x60, 0xaf, "Zen 4", "zen4"},
    {kAmd, 0x1a, 0x00, 0x2f, "Zen 5", "zen5"},
    {kAmd, 0x1a, 0x40, 0x4f, "Zen 5", "zen5"},
    {kAmd, 0x1a, 0x60, 0x7f, "Zen 5", "zen5"},
    {"HygonGenuine", 0x18, 0x00, 0x01, "Dhyana"},
    {"CentaurHauls", 7, 0x3b, 0x3b, "LuJiaZui"},
    {"Shanghai", 7, 0x3b, 0x3b, "LuJiaZui"},
    {"CentaurHauls", 7, 0x5b, 0x5b, "YongFeng"},
    {"Shanghai", 7, 0x5b, 0x5b, "YongFeng"},
};

/// Null for a CPU that is not in the table.
const Design* design_of(const Cpu& cpu) {
  const auto* found = std::ranges::find_if(kDesigns, [&](const Design& d) {
    return cpu.vendor == d.vendor && cpu.family == d.family && cpu.model >= d.first_model &&
           cpu.model <= d.last_model && cpu.stepping >= d.first_stepping && cpu.stepping <= d.last_stepping;
  });
  return found == std::end(kDesigns) ? nullptr : found;
}

}  // namespace

std::string codename_of(const Cpu& cpu) {
  const Design* design = design_of(cpu);
  return design == nullptr ? "" : design->name;
}

std::string archspec_of(const Cpu& cpu) {
  if (const Design* design = design_of(cpu); design != nullptr && design->archspec != nullptr) {
    return design->archspec;
  }
  for (const char* level : {"v4", "v3", "v2"}) {
    if (isa_status(cpu, fmt::format("auto_{}", level)).runnable) {
      return fmt::format("x86_64_{}", level);
    }
  }
  return "x86_64";
}

}  // namespace assay
