#include "harness/runtime/cpu.h"

#include <gtest/gtest.h>

#include "harness/runtime/error.h"
#include "harness/runtime/testing.h"

namespace assay {
namespace {

std::string dump_path(const std::string& name) { return ASSAY_SOURCE_DIR "/harness/runtime/testdata/" + name + ".raw"; }

std::vector<std::string> runnable_isas(const Cpu& cpu) {
  std::vector<std::string> names;
  for (const char* isa : {"scalar", "x87", "sse", "avx2", "avx512"}) {
    if (isa_status(cpu, isa).runnable) {
      names.emplace_back(isa);
    }
  }
  return names;
}

using Isas = std::vector<std::string>;

TEST(CpuDump, SaysWhatEachCpuRuns) {
  EXPECT_EQ(runnable_isas(read_cpu_dump(dump_path("conroe"))), (Isas{"scalar", "x87"}));
  EXPECT_EQ(runnable_isas(read_cpu_dump(dump_path("nehalem"))), (Isas{"scalar", "x87", "sse"}));
  EXPECT_EQ(runnable_isas(read_cpu_dump(dump_path("ivybridge"))), (Isas{"scalar", "x87", "sse"}));
  EXPECT_EQ(runnable_isas(read_cpu_dump(dump_path("haswell"))), (Isas{"scalar", "x87", "sse", "avx2"}));
  EXPECT_EQ(runnable_isas(read_cpu_dump(dump_path("epyc-milan"))), (Isas{"scalar", "x87", "sse", "avx2"}));
  EXPECT_EQ(runnable_isas(read_cpu_dump(dump_path("zen5"))), (Isas{"scalar", "x87", "sse", "avx2", "avx512"}));
}

TEST(CpuDump, IdentityAndCaches) {
  const Cpu cpu = read_cpu_dump(dump_path("epyc-milan"));
  EXPECT_EQ(cpu.vendor, "AuthenticAMD");
  EXPECT_EQ(cpu.family, 25);
  EXPECT_EQ(cpu.model, 1);
  EXPECT_EQ(cpu.caches.l1d, 32u << 10);
  EXPECT_EQ(cpu.caches.l2, 512u << 10);
  EXPECT_FALSE(cpu.xcr0_known);
  EXPECT_NE(describe(cpu).find("if the operating system enables"), std::string::npos);
}

TEST(CpuDump, F16cWithoutAvx2IsNotV3) {
  const Cpu cpu = read_cpu_dump(dump_path("ivybridge"));
  EXPECT_TRUE(cpu.features.contains("f16c"));
  EXPECT_NE(isa_status(cpu, "avx2").reason.find("avx2"), std::string::npos);
}

TEST(CpuFeatures, StateThatTheOsHasNotEnabledDoesNotCount) {
  Cpu cpu = read_cpu_dump(dump_path("zen5"));
  cpu.xcr0_known = true;
  cpu.xcr0 = 0xe7;
  EXPECT_EQ(runnable_isas(cpu), (Isas{"scalar", "x87", "sse", "avx2", "avx512"}));
  cpu.xcr0 = 0x7;  // a hypervisor that hides the ZMM state
  EXPECT_EQ(runnable_isas(cpu), (Isas{"scalar", "x87", "sse", "avx2"}));
  EXPECT_NE(isa_status(cpu, "avx512").reason.find("XCR0 is 0x7"), std::string::npos);
  cpu.xcr0 = 0x3;
  EXPECT_EQ(runnable_isas(cpu), (Isas{"scalar", "x87", "sse"}));
}

TEST(CpuFeatures, PartsOfALevelAreNotTheLevel) {
  Cpu cpu = read_cpu_dump(dump_path("haswell"));
  cpu.features.erase("fma");
  EXPECT_FALSE(isa_status(cpu, "avx2").runnable);
  EXPECT_EQ(isa_status(cpu, "avx2").reason, "the CPU lacks fma");
  Cpu knights_landing = read_cpu_dump(dump_path("zen5"));
  for (const char* f : {"avx512bw", "avx512dq", "avx512vl"}) {
    knights_landing.features.erase(f);
  }
  EXPECT_FALSE(isa_status(knights_landing, "avx512").runnable);
  EXPECT_TRUE(isa_status(knights_landing, "avx2").runnable);
}

TEST(CpuFeatures, AnUnknownIsaIsAnError) { EXPECT_THROW(isa_status(detect_cpu(), "avx1024"), InputError); }

TEST(CpuDump, WrongFilesAreErrors) {
  EXPECT_THROW(read_cpu_dump("/nonexistent"), InputError);
  EXPECT_THROW(read_cpu_dump("/"), InputError);
  const std::string whole = read_all(dump_path("haswell"));
  for (const std::string& text :
       {std::string(),
        std::string("\x7f"
                    "ELF\0\1\2",
                    7),
        std::string("hello\n"), whole + "basic_cpuid[99]=0 0 0 0\n", whole + "magic[0]=0 0 0 0\n",
        std::string("version=0.6.2\nbasic_cpuid[0]=00000000 00000000 00000000 00000000\n"),
        std::string(2 << 20, 'x')}) {
    const TemporaryFile file(text);
    EXPECT_THROW(read_cpu_dump(file.path()), InputError) << text.substr(0, 40);
  }
}

TEST(CpuDump, TruncationNeverPassesForAnOlderCpu) {
  const std::string whole = read_all(dump_path("haswell"));
  for (size_t size = 0; size < whole.size(); size += 7) {
    const TemporaryFile file(whole.substr(0, size));
    try {
      const Cpu cpu = read_cpu_dump(file.path());
      // Long enough to hold every leaf that assay reads: then it says the same.
      EXPECT_TRUE(isa_status(cpu, "avx2").runnable) << size;
    } catch (const InputError&) {
    }
  }
}

TEST(CpuLive, Detects) {
  const Cpu cpu = detect_cpu();
  EXPECT_FALSE(cpu.vendor.empty());
  EXPECT_TRUE(cpu.xcr0_known);
  EXPECT_TRUE(isa_status(cpu, "scalar").runnable);
  EXPECT_GT(cpu.logical_cpus, 0);
}

}  // namespace
}  // namespace assay
