// Dumps written here from published facts, in every layout that `assay cpu --raw` reads. The bits come from the
// compiler's <cpuid.h>, not from the table under test. Facts of each CPU: Intel SDM vol. 2A (CPUID), AMD's BIOS and
// Kernel Developer's Guides of family 15h, the x86 options of the GCC manual (-march=knl, lujiazui, yongfeng, bdver1 to
// bdver4); signatures and flags of AMD's, VIA's and Zhaoxin's CPUs were compared with libcpuid's test data, which is
// not copied.
#include "harness/runtime/cpu_dump.h"

#include <cpuid.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "harness/predict/tool.h"
#include "harness/runtime/codename.h"
#include "harness/runtime/cpu.h"
#include "harness/runtime/error.h"
#include "harness/runtime/rng.h"
#include "harness/runtime/testing.h"

namespace assay {
namespace {

template <class... T>
constexpr uint32_t bits(T... b) {
  return (static_cast<uint32_t>(b) | ... | 0u);
}

struct Facts {
  const char* vendor = "GenuineIntel";
  const char* brand = "";
  uint32_t signature = 0;
  uint32_t last_leaf = 0xd;
  uint32_t ecx1 = 0, ebx7 = 0, ecx7 = 0, edx7 = 0, ecx_ext = 0;
  uint32_t last_subleaf7 = 0, eax7_1 = 0;
  uint32_t xcr0_supported = 0, xsave_bytes = 0;  // leaf 0xD
  uint32_t core_type = 0;                        // leaf 0x1A
  uint32_t logical = 1;                          // leaf 0xB
};

constexpr uint32_t kV2 = bits(bit_SSE3, bit_SSSE3, bit_SSE4_1, bit_SSE4_2, bit_CMPXCHG16B, bit_POPCNT);
constexpr uint32_t kAvx = bits(bit_AVX, bit_XSAVE, bit_OSXSAVE);
constexpr uint32_t kV3 = kV2 | kAvx | bits(bit_FMA, bit_F16C, bit_MOVBE);
constexpr uint32_t kV3Leaf7 = bits(bit_AVX2, bit_BMI, bit_BMI2);
constexpr uint32_t kV4Leaf7 = kV3Leaf7 | bits(bit_AVX512F, bit_AVX512BW, bit_AVX512CD, bit_AVX512DQ, bit_AVX512VL);
constexpr uint32_t kExt = bits(bit_LAHF_LM, bit_LZCNT);

Facts haswell() {
  return {.brand = "Haswell",
          .signature = 0x306c3,
          .ecx1 = kV3,
          .ebx7 = kV3Leaf7,
          .ecx_ext = kExt,
          .xcr0_supported = 0x7,
          .xsave_bytes = 832};
}
Facts skylake_x() {
  return {.brand = "Skylake-X",
          .signature = 0x50654,
          .ecx1 = kV3,
          .ebx7 = kV4Leaf7,
          .ecx_ext = kExt,
          .xcr0_supported = 0xe7,
          .xsave_bytes = 2688};
}
Facts alder_lake(uint32_t core_type) {
  return {.brand = "Alder Lake",
          .signature = 0x90672,
          .last_leaf = 0x1a,
          .ecx1 = kV3,
          .ebx7 = kV3Leaf7,
          .edx7 = 1u << 15,
          .ecx_ext = kExt,
          .last_subleaf7 = 1,
          .eax7_1 = bits(bit_AVXVNNI),
          .xcr0_supported = 0x207,
          .xsave_bytes = 2696,
          .core_type = core_type << 24};
}

struct Registers {
  uint32_t a = 0, b = 0, c = 0, d = 0;
};

Registers text_registers(const char* text, size_t at) {
  char padded[48] = {};
  std::strncpy(padded, text, sizeof padded - 1);
  Registers r;
  std::memcpy(&r, padded + at, sizeof r);
  return r;
}

Registers leaf(const Facts& f, uint32_t number) {
  switch (number) {
    case 0: {
      const Registers v = text_registers(f.vendor, 0);
      return {f.last_leaf, v.a, v.c, v.b};
    }
    case 1:
      return {f.signature, 0x00010800, f.ecx1, bits(bit_SSE, bit_SSE2, bit_FXSAVE, bit_MMX, bit_CMOV, 1)};
    case 7:
      return f.last_leaf >= 7 ? Registers{f.last_subleaf7, f.ebx7, f.ecx7, f.edx7} : Registers{};
    case 0xd:
      return f.last_leaf >= 0xd ? Registers{f.xcr0_supported, f.xsave_bytes, f.xsave_bytes, 0} : Registers{};
    case 0x1a:
      return {f.core_type, 0, 0, 0};
    case 0x80000000:
      return {0x80000008, 0, 0, 0};
    case 0x80000001:
      return {0, 0, f.ecx_ext, bits(bit_LM)};
    case 0x80000002:
    case 0x80000003:
    case 0x80000004:
      return text_registers(f.brand, (number - 0x80000002) * 16);
    default:
      return {};
  }
}

std::string registers_text(const Registers& r, const char* separator) {
  return fmt::format("{:08x}{}{:08x}{}{:08x}{}{:08x}", r.a, separator, r.b, separator, r.c, separator, r.d);
}

/// As cpuid_serialize_raw_data() of that version writes it.
std::string libcpuid_dump(const std::string& version, const std::vector<Facts>& cores, bool headings) {
  std::string text = "version=" + version + "\n";
  for (size_t core = 0; core < cores.size(); ++core) {
    if (headings) {
      text += fmt::format("\n_________________ Logical CPU #{} _________________\n", core);
    }
    const auto group = [&](const char* name, uint32_t count, const std::function<Registers(uint32_t)>& get) {
      for (uint32_t i = 0; i < count; ++i) {
        text += fmt::format("{}[{}]={}\n", name, i, registers_text(get(i), " "));
      }
    };
    const Facts& f = cores[core];
    const auto empty = [](uint32_t) { return Registers{}; };
    group("basic_cpuid", 32, [&](uint32_t i) { return leaf(f, i); });
    group("ext_cpuid", 32, [&](uint32_t i) { return leaf(f, 0x80000000 + i); });
    group("intel_fn4", 8, empty);
    group("intel_fn11", 4, [&](uint32_t i) {  // level 2: cores
      return i == 1 ? Registers{0, f.logical, 0x201, 0} : Registers{};
    });
    group("intel_fn12h", 4, empty);
    group("intel_fn14h", 4, empty);
    group("amd_fn8000001dh", 4, empty);
    if (version >= "0.7.0") {
      group("amd_fn80000026h", 4, empty);
    }
  }
  return text;
}

std::string aida64_dump(const std::vector<Facts>& cores) {
  std::string text;
  for (size_t core = 0; core < cores.size(); ++core) {
    text += fmt::format("------[ CPUID Registers / Logical CPU #{} ]------\n", core);
    const auto line = [&](uint32_t number, const Registers& r, const char* mark) {
      std::string one = fmt::format("CPUID {:08x}: {}{}\n", number, registers_text(r, "-"), mark);
      std::ranges::transform(one, one.begin(),
                             [](char c) { return c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c; });
      text += one;
    };
    const Facts& f = cores[core];
    for (uint32_t i = 0; i <= f.last_leaf; ++i) {
      line(i, leaf(f, i), i == 7 ? " [SL 00]" : i == 0 ? " [GenuineIntel]" : "");
      if (i == 7 && f.last_subleaf7 >= 1) {
        line(7, {f.eax7_1, 0, 0, 0}, " [SL 01]");
      }
    }
    for (uint32_t i = 0x80000000; i <= 0x80000008; ++i) {
      line(i, leaf(f, i), "");
    }
  }
  return text;
}

Cpu read_text(const std::string& text) { return read_cpu_dump(TemporaryFile(text).path()); }
Cpu read_facts(const Facts& f) { return read_text(libcpuid_dump("0.6.2", {f}, false)); }

std::string runnable(const Cpu& cpu) {
  std::string names;
  for (const char* isa : {"scalar", "x87", "sse", "avx2", "avx512", "avx512_vnni", "avx512_bf16"}) {
    if (isa_status(cpu, isa).runnable) {
      names += (names.empty() ? "" : " ") + std::string(isa);
    }
  }
  return names;
}

// ---- CPUs that real programs got wrong ----

TEST(CpuFacts, EveryFlagOfALevelCounts) {
  // The x86-64 psABI, section 3.1.1, table 3.1.
  struct Flag {
    const char* level;
    uint32_t Facts::*where;
    uint32_t bit;
  };
  const Flag flags[] = {
      {"sse", &Facts::ecx1, bit_CMPXCHG16B},
      {"sse", &Facts::ecx_ext, bit_LAHF_LM},
      {"sse", &Facts::ecx1, bit_POPCNT},
      {"sse", &Facts::ecx1, bit_SSE3},
      {"sse", &Facts::ecx1, bit_SSE4_1},
      {"sse", &Facts::ecx1, bit_SSE4_2},
      {"sse", &Facts::ecx1, bit_SSSE3},
      {"avx2", &Facts::ecx1, bit_AVX},
      {"avx2", &Facts::ebx7, bit_AVX2},
      {"avx2", &Facts::ebx7, bit_BMI},
      {"avx2", &Facts::ebx7, bit_BMI2},
      {"avx2", &Facts::ecx1, bit_F16C},
      {"avx2", &Facts::ecx1, bit_FMA},
      {"avx2", &Facts::ecx_ext, bit_LZCNT},
      {"avx2", &Facts::ecx1, bit_MOVBE},
      {"avx2", &Facts::ecx1, bit_OSXSAVE},
      {"avx512", &Facts::ebx7, bits(bit_AVX512F)},
      {"avx512", &Facts::ebx7, bits(bit_AVX512BW)},
      {"avx512", &Facts::ebx7, bits(bit_AVX512CD)},
      {"avx512", &Facts::ebx7, bits(bit_AVX512DQ)},
      {"avx512", &Facts::ebx7, bits(bit_AVX512VL)},
  };
  EXPECT_EQ(runnable(read_facts(skylake_x())), "scalar x87 sse avx2 avx512");
  for (const Flag& flag : flags) {
    Facts f = skylake_x();
    ASSERT_NE(f.*flag.where & flag.bit, 0u);
    f.*flag.where &= ~flag.bit;
    const std::string level = flag.level;
    EXPECT_EQ(runnable(read_facts(f)), level == "sse"    ? "scalar x87"
                                       : level == "avx2" ? "scalar x87 sse"
                                                         : "scalar x87 sse avx2")
        << level << " without bit " << std::hex << flag.bit;
  }
}

TEST(CpuFacts, Avx512InCpuidButNotInXcr0) {
  Facts hidden = skylake_x();  // a hypervisor that passes the feature flags on, and not the register state
  hidden.xcr0_supported = 0x7;
  hidden.xsave_bytes = 832;
  const Cpu cpu = read_facts(hidden);
  EXPECT_TRUE(cpu.features.contains("avx512f"));
  EXPECT_EQ(runnable(cpu), "scalar x87 sse avx2");
  EXPECT_NE(isa_status(cpu, "avx512").reason.find("leaf 0xD allows XCR0 bits 0x7"), std::string::npos);

  Facts off = skylake_x();  // clearcpuid=avx512f: the kernel leaves the state off
  off.xsave_bytes = 832;
  EXPECT_EQ(runnable(read_facts(off)), "scalar x87 sse avx2");
  EXPECT_NE(isa_status(read_facts(off), "avx512").reason.find("832 bytes"), std::string::npos);

  Facts no_avx = skylake_x();  // noxsave and old kernels
  no_avx.xsave_bytes = 576;
  EXPECT_EQ(runnable(read_facts(no_avx)), "scalar x87 sse");

  Cpu live = read_facts(skylake_x());
  live.xcr0_known = true;
  for (const uint64_t xcr0 : {0x7u, 0x27u, 0x67u, 0xc7u, 0xa7u, 0x47u}) {  // each part of the state alone is not enough
    live.xcr0 = xcr0;
    EXPECT_EQ(runnable(live), "scalar x87 sse avx2") << xcr0;
  }
  live.xcr0 = 0xe7;
  EXPECT_EQ(runnable(live), "scalar x87 sse avx2 avx512");
  live.xcr0 = 0xe5;  // without SSE: AVX needs it too
  EXPECT_EQ(runnable(live), "scalar x87 sse");
}

TEST(CpuFacts, AmdsSmallerZmmAreaIsEnough) {
  Facts zen4 = skylake_x();  // without MPX the ZMM state ends at 2432, and PKRU behind it
  zen4.vendor = "AuthenticAMD";
  zen4.signature = 0xa10f11;
  zen4.xcr0_supported = 0x2e7;
  zen4.xsave_bytes = 2440;
  EXPECT_EQ(runnable(read_facts(zen4)), "scalar x87 sse avx2 avx512");
}

TEST(CpuFacts, IvyBridgeHasF16cAndNoAvx2) {
  const Cpu cpu = read_facts({.signature = 0x306a9,
                              .ecx1 = kV2 | kAvx | bits(bit_F16C),
                              .ecx_ext = bits(bit_LAHF_LM),
                              .xcr0_supported = 0x7,
                              .xsave_bytes = 832});
  EXPECT_TRUE(cpu.features.contains("f16c"));
  EXPECT_EQ(runnable(cpu), "scalar x87 sse");
  EXPECT_EQ(isa_status(cpu, "avx2").reason, "the CPU lacks avx2, bmi1, bmi2, fma, lzcnt, movbe");
}

TEST(CpuFacts, KnightsLandingHasAvx512fAlone) {
  Facts f = haswell();
  f.brand = "Xeon Phi 7210";
  f.signature = 0x50671;
  f.ebx7 |= bits(bit_AVX512F, bit_AVX512CD, bit_AVX512ER, bit_AVX512PF);
  f.xcr0_supported = 0xe7;
  f.xsave_bytes = 2688;
  EXPECT_EQ(runnable(read_facts(f)), "scalar x87 sse avx2");
  EXPECT_EQ(isa_status(read_facts(f), "avx512").reason, "the CPU lacks avx512bw, avx512dq, avx512vl");
}

TEST(CpuFacts, AlderLakeHasAvxVnniAndNoAvx512) {
  // libcpuid's layout has no leaf 7 subleaf 1: what it would tell is unknown, neither there nor absent.
  const Cpu unknown = read_facts(alder_lake(0x40));
  EXPECT_TRUE(unknown.unknown_features.contains("avx_vnni"));
  EXPECT_FALSE(unknown.features.contains("avx_vnni"));
  const Cpu known = read_text(aida64_dump({alder_lake(0x40)}));
  EXPECT_TRUE(known.features.contains("avx_vnni"));
  EXPECT_TRUE(known.unknown_features.empty());
  for (const Cpu& cpu : {unknown, known}) {
    EXPECT_EQ(runnable(cpu), "scalar x87 sse avx2");
    EXPECT_EQ(isa_status(cpu, "avx512").reason, "the CPU lacks avx512f, avx512bw, avx512cd, avx512dq, avx512vl");
    ASSERT_EQ(cpu.warnings.size(), 1u);  // one core of a hybrid CPU
    EXPECT_NE(cpu.warnings[0].find("hybrid"), std::string::npos);
  }
}

TEST(CpuFacts, Bf16IsUnknownWhereTheDumpCannotTell) {
  Facts f = skylake_x();
  EXPECT_EQ(isa_status(read_facts(f), "avx512_bf16").reason, "the CPU lacks avx512_bf16");  // there is no subleaf 1
  f.ecx7 = bits(bit_AVX512VNNI);
  f.last_subleaf7 = 1;
  f.eax7_1 = bits(bit_AVX512BF16);
  EXPECT_EQ(runnable(read_facts(f)), "scalar x87 sse avx2 avx512 avx512_vnni");
  EXPECT_NE(isa_status(read_facts(f), "avx512_bf16").reason.find("cannot tell"), std::string::npos);
  EXPECT_EQ(runnable(read_text(aida64_dump({f}))), "scalar x87 sse avx2 avx512 avx512_vnni avx512_bf16");
}

TEST(CpuFacts, HybridCountsWhatAllCoresHave) {
  Facts p = alder_lake(0x40);  // early firmware let the P-cores keep AVX-512 beside E-cores that have none
  p.ebx7 |= kV4Leaf7;
  p.xcr0_supported = 0x2e7;
  p.logical = 3;
  const Facts e = alder_lake(0x20);
  for (const std::string& text :
       {libcpuid_dump("0.8.1", {p, p, e}, true), libcpuid_dump("0.6.2", {p, p, e}, true), aida64_dump({p, p, e})}) {
    const Cpu cpu = read_text(text);
    EXPECT_EQ(cpu.logical_cpus, 3);
    EXPECT_EQ(runnable(cpu), "scalar x87 sse avx2");
    EXPECT_FALSE(cpu.features.contains("avx512f"));
    ASSERT_EQ(cpu.core_kinds.size(), 2u);
    EXPECT_EQ(cpu.core_kinds[0].name, "P-core");
    EXPECT_EQ(cpu.core_kinds[0].cpus, (std::vector<int>{0, 1}));
    EXPECT_TRUE(cpu.core_kinds[0].only_here.contains("avx512f"));
    EXPECT_EQ(cpu.core_kinds[1].name, "E-core");
    ASSERT_EQ(cpu.warnings.size(), 1u);
    EXPECT_NE(cpu.warnings[0].find("CPUs 0,1 (P-core) have avx512bw"), std::string::npos);
    EXPECT_NE(describe(cpu).find("warning: cores differ"), std::string::npos);
  }
  EXPECT_EQ(runnable(read_text(libcpuid_dump("0.8.1", {p, p, p}, true))), "scalar x87 sse avx2 avx512");
}

TEST(CpuFacts, FewerCoresThanThePackageHasIsAWarning) {
  Facts f = haswell();
  f.logical = 8;
  const Cpu cpu = read_text(libcpuid_dump("0.8.1", {f, f}, true));
  ASSERT_EQ(cpu.warnings.size(), 1u);
  EXPECT_NE(cpu.warnings[0].find("holds 2 logical CPUs, CPUID counts 8"), std::string::npos);
  f.logical = 2;
  EXPECT_TRUE(read_text(libcpuid_dump("0.8.1", {f, f}, true)).warnings.empty());
}

TEST(CpuFacts, AmdOfTheXopEra) {
  const uint32_t ext = kExt | bits(bit_XOP, bit_FMA4);
  const Facts bulldozer = {.vendor = "AuthenticAMD",
                           .brand = "AMD FX(tm)-8150",
                           .signature = 0x600f12,
                           .ecx1 = kV2 | kAvx,
                           .ecx_ext = ext,
                           .xcr0_supported = 0x7,
                           .xsave_bytes = 832};
  Facts piledriver = bulldozer;
  piledriver.signature = 0x600f20;
  piledriver.ecx1 |= bits(bit_FMA, bit_F16C);
  piledriver.ebx7 = bits(bit_BMI);
  Facts excavator = piledriver;
  excavator.signature = 0x660f51;
  excavator.ecx1 |= bits(bit_MOVBE);
  excavator.ebx7 = kV3Leaf7;
  EXPECT_EQ(runnable(read_facts(bulldozer)), "scalar x87 sse");
  EXPECT_EQ(runnable(read_facts(piledriver)), "scalar x87 sse");
  EXPECT_EQ(isa_status(read_facts(piledriver), "avx2").reason, "the CPU lacks avx2, bmi2, movbe");
  EXPECT_EQ(runnable(read_facts(excavator)), "scalar x87 sse avx2");
  EXPECT_TRUE(read_facts(bulldozer).features.contains("fma4"));
  EXPECT_TRUE(read_facts(bulldozer).features.contains("xop"));
  EXPECT_EQ(read_facts(excavator).family, 0x15);
  EXPECT_EQ(read_facts(excavator).model, 0x65);
}

TEST(CpuFacts, ViaAndZhaoxin) {
  const Facts nano = {.vendor = "CentaurHauls",
                      .brand = "VIA Nano L3050",
                      .signature = 0x6f8,
                      .last_leaf = 0xa,
                      .ecx1 = bits(bit_SSE3, bit_SSSE3, bit_SSE4_1, bit_CMPXCHG16B),
                      .ecx_ext = bits(bit_LAHF_LM)};
  EXPECT_EQ(runnable(read_facts(nano)), "scalar x87");
  EXPECT_EQ(isa_status(read_facts(nano), "sse").reason, "the CPU lacks popcnt, sse4_2");
  // Eden X4: AVX2 and F16C without FMA. A program that tests AVX2 alone dies there in its first FMA.
  Facts eden = {.vendor = "CentaurHauls",
                .brand = "VIA Eden X4 C4250",
                .signature = 0x6fe,
                .ecx1 = kV3 & ~bits(bit_FMA),
                .ebx7 = kV3Leaf7,
                .ecx_ext = kExt,
                .xcr0_supported = 0x7,
                .xsave_bytes = 832};
  EXPECT_TRUE(read_facts(eden).features.contains("avx2"));
  EXPECT_EQ(runnable(read_facts(eden)), "scalar x87 sse");
  EXPECT_EQ(isa_status(read_facts(eden), "avx2").reason, "the CPU lacks fma");
  // Lujiazui: AVX, F16C and BMI2 without AVX2 and FMA.
  const Facts lujiazui = {.vendor = "CentaurHauls",
                          .brand = "ZHAOXIN KaiXian KX-U6780A",
                          .signature = 0x307b1,
                          .ecx1 = kV3 & ~bits(bit_FMA),
                          .ebx7 = bits(bit_BMI, bit_BMI2),
                          .ecx_ext = kExt,
                          .xcr0_supported = 0x7,
                          .xsave_bytes = 832};
  EXPECT_EQ(isa_status(read_facts(lujiazui), "avx2").reason, "the CPU lacks avx2, fma");
  Facts yongfeng = lujiazui;  // has both
  yongfeng.vendor = "  Shanghai  ";
  yongfeng.signature = 0x507b3;
  yongfeng.ecx1 = kV3;
  yongfeng.ebx7 = kV3Leaf7;
  EXPECT_EQ(runnable(read_facts(yongfeng)), "scalar x87 sse avx2");
  EXPECT_EQ(read_facts(yongfeng).vendor, "Shanghai");
  // Their family 7 has models over 15.
  EXPECT_EQ(read_facts(lujiazui).family, 7);
  EXPECT_EQ(read_facts(lujiazui).model, 59);
  EXPECT_EQ(read_facts(lujiazui).codename, "LuJiaZui");
  EXPECT_EQ(read_facts(yongfeng).model, 91);
}

TEST(CpuFacts, NamesOnlyWhatItKnows) {
  struct Named {
    const char* vendor;
    uint32_t signature;
    const char* codename;
    const char* archspec;  ///< Facts are of a CPU with AVX2: x86_64_v3 where there is no name
  };
  // Signatures from Intel's and AMD's revision guides; behind them some that no table has.
  for (const Named& named : std::initializer_list<Named>{{"GenuineIntel", 0x306c3, "Haswell", "haswell"},
                                                         {"GenuineIntel", 0x50654, "Skylake", "skylake_avx512"},
                                                         {"GenuineIntel", 0x50657, "Cascade Lake", "cascadelake"},
                                                         {"GenuineIntel", 0x906ed, "Coffee Lake", "skylake"},
                                                         {"GenuineIntel", 0xa06a4, "Meteor Lake", "x86_64_v3"},
                                                         {"GenuineIntel", 0xa06d1, "Granite Rapids", "x86_64_v3"},
                                                         {"GenuineIntel", 0xb06d1, "Lunar Lake", "x86_64_v3"},
                                                         {"GenuineIntel", 0xc0662, "Arrow Lake", "arrowlake_s"},
                                                         {"AuthenticAMD", 0x800f82, "Zen+", "zen"},
                                                         {"AuthenticAMD", 0x870f10, "Zen 2", "zen2"},
                                                         {"AuthenticAMD", 0xa20f12, "Zen 3", "zen3"},
                                                         {"AuthenticAMD", 0xa10f11, "Zen 4", "zen4"},
                                                         {"AuthenticAMD", 0xb20f40, "Zen 5", "zen5"},
                                                         {"AuthenticAMD", 0xb00f21, "Zen 5", "zen5"},
                                                         {"GenuineIntel", 0xff6f0, "", "x86_64_v3"},
                                                         {"GenuineIntel", 0x681, "", "x86_64_v3"},
                                                         {"AuthenticAMD", 0xff0f10, "", "x86_64_v3"},
                                                         {"SomebodyElse", 0x306c3, "", "x86_64_v3"}}) {
    Facts f = haswell();
    f.vendor = named.vendor;
    f.signature = named.signature;
    EXPECT_EQ(read_facts(f).codename, named.codename) << std::hex << named.signature;
    EXPECT_EQ(archspec_of(read_facts(f)), named.archspec) << std::hex << named.signature;
  }
  // The name is the model's, whatever a hypervisor hides; the level is what is left.
  Facts hidden = haswell();
  hidden.ebx7 = 0;
  EXPECT_EQ(archspec_of(read_facts(hidden)), "haswell");
  hidden.vendor = "SomebodyElse";
  EXPECT_EQ(archspec_of(read_facts(hidden)), "x86_64_v2");
}

TEST(CpuFacts, BitsPastTheLastLeafMeanNothing) {
  Facts f = haswell();  // Intel CPUs answer there with the last leaf's data
  f.last_leaf = 6;
  std::string text = libcpuid_dump("0.6.2", {f}, false);
  const std::string empty = "basic_cpuid[7]=00000000 00000000 00000000 00000000";
  ASSERT_NE(text.find(empty), std::string::npos);
  text.replace(text.find(empty), empty.size(), "basic_cpuid[7]=ffffffff ffffffff ffffffff ffffffff");
  EXPECT_EQ(runnable(read_text(text)), "scalar x87 sse");
}

TEST(CpuFacts, AgreesWithTheCompilerOnThisMachine) {
  const Cpu cpu = detect_cpu();
  __builtin_cpu_init();
  EXPECT_EQ(isa_status(cpu, "sse").runnable, __builtin_cpu_supports("x86-64-v2") != 0);
  EXPECT_EQ(isa_status(cpu, "avx2").runnable, __builtin_cpu_supports("x86-64-v3") != 0);
  EXPECT_EQ(isa_status(cpu, "avx512").runnable, __builtin_cpu_supports("x86-64-v4") != 0);
}

// ---- wrong files ----

/// The message of the InputError, or what was accepted.
std::string refusal(const std::string& text) {
  try {
    return fmt::format("accepted {} cores", parse_cpu_dump("some.raw", text).size());
  } catch (const InputError& e) {
    return e.what();
  }
}

TEST(CpuDumpFormat, EveryTruncationIsAnError) {
  for (const std::string version : {"0.6.2", "0.8.1"}) {
    const std::string text = libcpuid_dump(version, {haswell()}, false);
    for (size_t size = 0; size + 1 < text.size(); ++size) {  // without the last newline it is whole
      ASSERT_TRUE(refusal(text.substr(0, size)).starts_with("some.raw:")) << version << " " << size;
    }
    EXPECT_EQ(refusal(text), "accepted 1 cores");
    EXPECT_EQ(refusal(text.substr(0, text.size() - 1)), "accepted 1 cores");
  }
}

TEST(CpuDumpFormat, TruncationOfSeveralCoresEndsAtACore) {
  const std::string text = libcpuid_dump("0.8.1", {skylake_x(), skylake_x()}, true);
  const size_t boundary = text.find("\n\n___", 20);  // behind the first core
  ASSERT_NE(boundary, std::string::npos);
  for (size_t size = 0; size + 1 < text.size(); ++size) {
    const std::string result = refusal(text.substr(0, size));
    if (size >= boundary && size <= boundary + 2) {
      ASSERT_EQ(result, "accepted 1 cores") << size;  // such a file is a dump of one core
    } else {
      ASSERT_TRUE(result.starts_with("some.raw:")) << size << ": " << result;
    }
  }
}

TEST(CpuDumpFormat, TruncatedAida64) {
  const std::string text = aida64_dump({alder_lake(0x40)});
  for (size_t size = 0; size + 1 < text.size(); ++size) {
    ASSERT_TRUE(refusal(text.substr(0, size)).starts_with("some.raw:")) << size;
  }
  EXPECT_EQ(refusal(text), "accepted 1 cores");
}

TEST(CpuDumpFormat, ErrorsNameTheLine) {
  const std::string good = libcpuid_dump("0.8.1", {haswell()}, false);
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return refusal(text);
  };
  const auto contains = [](const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  };
  EXPECT_TRUE(
      contains(changed("basic_cpuid[1]=", "basic_cpuid[32]="), "some.raw:3: index 32 of basic_cpuid is over 31"));
  EXPECT_TRUE(contains(changed("basic_cpuid[1]=", "basic_cpuid[99999999999]="), "some.raw:3: "));
  EXPECT_TRUE(contains(changed("basic_cpuid[1]=", "basic_cpuid[0]="), "some.raw:3: basic_cpuid[0] is there twice"));
  EXPECT_TRUE(contains(changed("basic_cpuid[1]=", "magic[1]="), "some.raw:3: unknown group 'magic'"));
  EXPECT_TRUE(contains(changed("basic_cpuid[1]=", "basic_cpuid[1]= "), "some.raw:3: "));
  EXPECT_TRUE(contains(changed("basic_cpuid[1]=0", "basic_cpuid[1]="), "some.raw:3: "));
  EXPECT_TRUE(contains(changed("basic_cpuid[1]=0", "basic_cpuid[1]=00"), "some.raw:3: "));
  EXPECT_TRUE(contains(changed("version=0.8.1", "version=eight"), "some.raw:1: 'version=eight' is no version"));
  EXPECT_TRUE(contains(refusal(libcpuid_dump("0.6.2", {haswell()}, false).replace(0, 13, "version=0.8.1")),
                       "without amd_fn80000026h[0]"));
  EXPECT_TRUE(contains(refusal(good + good), "a second version line"));
  EXPECT_TRUE(
      contains(refusal("version=0.8.1\narm_midr=00000000410fd034\n"), "some.raw:2: this is the dump of an ARM CPU"));
  EXPECT_TRUE(
      contains(refusal("version=0.8.1\n_________________ Logical CPU #99999 _________________\n"), "over 8191"));
  EXPECT_TRUE(contains(refusal("version=0.8.1\n_________________ Logical CPU #0 ___\n"), "cut short"));
  EXPECT_TRUE(contains(
      refusal(libcpuid_dump("0.8.1", {haswell()}, true) + libcpuid_dump("0.8.1", {haswell()}, true).substr(14)),
      "logical CPU 0 is there twice"));
  EXPECT_TRUE(contains(
      changed("ext_cpuid[1]=00000000 00000000 00000021 20000000", "ext_cpuid[1]=00000000 00000000 00000021 00000000"),
      "no x86-64 CPU"));
  EXPECT_EQ(refusal(""),
            "some.raw:1: the file holds no CPUID registers; expected a libcpuid raw dump, as `cpuid_tool "
            "--save=FILE` writes it");
}

TEST(CpuDumpFormat, OtherVersionsAndSystems) {
  std::string crlf;
  for (const char c : libcpuid_dump("0.8.1", {haswell(), haswell()}, true)) {
    crlf += c == '\n' ? "\r\n" : std::string(1, c);
  }
  EXPECT_EQ(refusal(crlf), "accepted 2 cores");
  // A version to come may add groups that are none of assay's business; this one may not.
  const std::string extra = "some_fn99h[0]=00000000 00000000 00000000 00000000\n";
  EXPECT_EQ(refusal(libcpuid_dump("0.9.0", {haswell()}, false) + extra), "accepted 1 cores");
  EXPECT_NE(refusal(libcpuid_dump("0.8.1", {haswell()}, false) + extra).find("unknown group"), std::string::npos);
  // The oldest files name no version.
  EXPECT_EQ(refusal(libcpuid_dump("0.2.1", {haswell()}, false).substr(14)), "accepted 1 cores");
  // Headings of cores in AIDA64's other versions, and subleaves told by their order alone.
  std::string other = aida64_dump({alder_lake(0x40)});
  other.replace(0, other.find('\n'), "CPU#000 AffMask: 0x0000000000000001");
  EXPECT_EQ(refusal(other), "accepted 1 cores");
  other.replace(0, other.find('\n'), "CPUID Registers (CPU #1):");
  for (const std::string mark : {" [SL 00]", " [SL 01]"}) {
    other.erase(other.find(mark), mark.size());
  }
  EXPECT_TRUE(read_text(other).features.contains("avx_vnni"));
  other.replace(other.find("80000006: "), 45,
                "80000006: 00000000-00000000-05007040-00000000 [L2: 1280 KB] / L3: 0 KB]");
  EXPECT_EQ(refusal(other), "accepted 1 cores");
  // Test results behind a line of dashes, as in libcpuid's own test data.
  EXPECT_EQ(refusal(libcpuid_dump("0.8.1", {haswell()}, false) + std::string(80, '-') + "\nanything\n"),
            "accepted 1 cores");
}

/// `text` with each `from` as `to`.
std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

TEST(CpuDumpFormat, WhatEditorsAndOtherToolsMakeOfIt) {
  const std::string aida = aida64_dump({haswell()});
  const std::string libcpuid = libcpuid_dump("0.8.1", {haswell()}, true);
  const std::string mark = "\xef\xbb\xbf";
  for (const std::string& text :
       {mark + aida, mark + libcpuid, replaced(aida, "\n", "  \n"), replaced(libcpuid, "\n", " \t\r\n"),
        replaced(aida, ": ", "  \t"), replaced(aida, ": ", ":\t"), replaced(aida, ": ", " "),
        replaced(aida, "CPUID 0", "\t CPUID 0"), replaced(aida, " [SL", "\t[SL"),
        replaced(aida, "#0 ]", "#0 Virtual ]"), replaced(libcpuid, "#0 ", "#0 Virtual ")}) {
    EXPECT_EQ(refusal(text), "accepted 1 cores") << text.substr(0, 200);
    EXPECT_EQ(runnable(read_text(text)), runnable(read_facts(haswell()))) << text.substr(0, 200);
  }
  EXPECT_NE(refusal("\xff\xfe-\0-\0").find("UTF-16"), std::string::npos);
}

TEST(CpuDumpFormat, ALineTwiceCountsOnce) {
  for (std::string text : {aida64_dump({alder_lake(0x40)}), libcpuid_dump("0.8.1", {alder_lake(0x40)}, true)}) {
    std::string twice;
    for (size_t begin = 0; begin < text.size(); begin = text.find('\n', begin) + 1) {
      const std::string line = text.substr(begin, text.find('\n', begin) + 1 - begin);
      twice += line.find("CPU #") == std::string::npos && !line.starts_with("version") ? line + line : line;
    }
    EXPECT_EQ(refusal(twice), "accepted 1 cores");
    EXPECT_EQ(read_text(twice).features, read_text(text).features);
    // Where the two differ, one of them is wrong.
    const size_t end = twice.find('\n', twice.find(text.starts_with('-') ? "00000001: " : "basic_cpuid[1]"));
    twice[end - 1] = twice[end - 1] == '1' ? '2' : '1';
    EXPECT_NE(refusal(twice).find("is there twice in one core, with other registers"), std::string::npos);
  }
  // Without the number of the subleaf, too.
  std::string plain = aida64_dump({alder_lake(0x40)});
  plain = replaced(replaced(plain, " [SL 00]", ""), " [SL 01]", "");
  const size_t at = plain.find("CPUID 00000007");
  const std::string first = plain.substr(at, plain.find('\n', at) + 1 - at);
  plain.insert(at, first);
  EXPECT_EQ(read_text(plain).features, read_text(aida64_dump({alder_lake(0x40)})).features);
}

TEST(CpuDumpFormat, TwoMachinesInOneFile) {
  Facts amd = haswell();
  amd.vendor = "AuthenticAMD";
  EXPECT_THROW(read_text(libcpuid_dump("0.8.1", {haswell(), amd}, true)), InputError);
}

TEST(CpuDumpFormat, DamagedFilesNeverCrash) {
  const std::string good = libcpuid_dump("0.8.1", {haswell(), alder_lake(0x20)}, true);
  Rng rng(7);
  size_t refused = 0;
  for (int i = 0; i < 1500; ++i) {
    std::string text = good;
    const uint64_t changes = 1 + rng.below(4);
    for (uint64_t k = 0; k < changes; ++k) {
      const size_t at = rng.below(text.size());
      switch (rng.below(3)) {
        case 0:
          text[at] = static_cast<char>(rng.below(256));
          break;
        case 1:
          text.erase(at, 1 + rng.below(200));
          break;
        default:
          text.insert(at, text, rng.below(text.size()), rng.below(200));
          break;
      }
    }
    refused += refusal(text).starts_with("some.raw:");
  }
  EXPECT_GT(refused, 1000u);  // a changed digit of a register alone is no damage that can be seen
}

TEST(CpuDumpCommand, WrongFilesExitWith2AndNameThePlace) {
  const std::string garbage(
      "\x7f"
      "ELF\0\1\2\xff\xfe",
      9);
  for (const std::string& text : {std::string(), garbage, libcpuid_dump("0.8.1", {haswell()}, false).substr(0, 3000)}) {
    const TemporaryFile file(text);
    const ToolResult result = run_tool({ASSAY_BINARY, "cpu", "--raw", file.path()}, "");
    EXPECT_EQ(result.status, 2);
    EXPECT_NE(result.err.find(file.path() + ":"), std::string::npos) << result.err;
    EXPECT_EQ(result.out, "");
  }
  const TemporaryFile huge("");
  std::filesystem::resize_file(huge.path(), size_t{1} << 36);  // sparse
  EXPECT_EQ(run_tool({ASSAY_BINARY, "cpu", "--raw", huge.path()}, "").status, 2);
  EXPECT_EQ(run_tool({ASSAY_BINARY, "cpu", "--raw", "/nonexistent"}, "").status, 2);
  EXPECT_EQ(run_tool({ASSAY_BINARY, "cpu", "--raw", "/tmp"}, "").status, 2);
  EXPECT_EQ(run_tool({ASSAY_BINARY, "cpu", "--raw", ""}, "").status, 2);
}

TEST(CpuDumpCommand, SaysWhichVariantsAreEligible) {
  const TemporaryFile file(libcpuid_dump("0.8.1", {haswell()}, false));
  const ToolResult result = run_tool({ASSAY_BINARY, "cpu", "--json", "--raw", file.path()}, "");
  ASSERT_EQ(result.status, 0) << result.err;
  const auto json = nlohmann::json::parse(result.out);
  const auto& variants = json["variants"];
  EXPECT_GT(variants["eligible"], 0);
  EXPECT_LT(variants["eligible"], variants["compiled"]);
  for (const auto& [kernel, isas] : variants["by_kernel"].items()) {
    for (const auto& isa : isas) {
      EXPECT_EQ(isa.get<std::string>().find("512"), std::string::npos) << kernel;
      EXPECT_NE(isa, "auto_v4") << kernel;
    }
  }
  const ToolResult text = run_tool({ASSAY_BINARY, "cpu", "--raw", file.path()}, "");
  EXPECT_NE(text.out.find("XCR0 bits SSE and AVX (0x6)"), std::string::npos) << text.out;
}

}  // namespace
}  // namespace assay
