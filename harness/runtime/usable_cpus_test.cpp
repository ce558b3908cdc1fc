#include "harness/runtime/usable_cpus.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "harness/runtime/testing.h"

namespace assay {
namespace {

/// A file system as /proc and /sys show it.
class FakeRoot {
 public:
  FakeRoot(const std::string& mounts, const std::string& groups) {
    add("/proc/self/mountinfo", "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n" + mounts);
    add("/proc/self/cgroup", groups);
  }
  void add(const std::string& path, const std::string& contents) {
    const std::filesystem::path whole = folder_.path() + path;
    std::filesystem::create_directories(whole.parent_path());
    write_all(whole.string(), contents);
  }
  std::optional<double> quota() const { return cpu_quota(folder_.path()); }

 private:
  TemporaryFolder folder_;
};

constexpr const char* kMount2 = "30 22 0:26 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
constexpr const char* kMount1 =
    "31 22 0:27 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n"
    "32 22 0:28 / /sys/fs/cgroup/cpu,cpuacct rw shared:10 - cgroup cgroup rw,cpu,cpuacct\n";

TEST(UsableCpus, TheLeastQuotaOfAllGroupsAboveCounts) {
  FakeRoot root(kMount2, "0::/user.slice/job\n");
  EXPECT_EQ(root.quota(), std::nullopt);
  root.add("/sys/fs/cgroup/user.slice/job/cpu.max", "max 100000\n");
  EXPECT_EQ(root.quota(), std::nullopt);
  root.add("/sys/fs/cgroup/user.slice/cpu.max", "150000 100000\n");
  EXPECT_EQ(root.quota(), 1.5);
  root.add("/sys/fs/cgroup/user.slice/job/cpu.max", "50000 100000\n");
  EXPECT_EQ(root.quota(), 0.5);
}

TEST(UsableCpus, InAContainerTheGroupIsTheRootOfTheMount) {
  FakeRoot namespaced(kMount2, "0::/\n");
  namespaced.add("/sys/fs/cgroup/cpu.max", "200000 100000\n");
  EXPECT_EQ(namespaced.quota(), 2.0);
  FakeRoot bound("32 22 0:28 /docker/abc /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n",
                 "4:cpu,cpuacct:/docker/abc\n");
  bound.add("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "300000\n");
  bound.add("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(bound.quota(), 3.0);
}

TEST(UsableCpus, VersionOne) {
  FakeRoot root(kMount1, "5:memory:/x\n4:cpu,cpuacct:/job\n");
  root.add("/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "-1\n");
  root.add("/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(root.quota(), std::nullopt);
  root.add("/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "75000\n");
  EXPECT_EQ(root.quota(), 0.75);
}

TEST(UsableCpus, FilesThatTellNothing) {
  EXPECT_EQ(cpu_quota("/nonexistent"), std::nullopt);
  for (const char* groups : {"", "0::", "no colons\n", "0::/../..\n", ":::\n"}) {
    for (const char* mounts : {"", "30\n", "30 22 0:26 / /sys/fs/cgroup rw - cgroup2\n", kMount2, kMount1}) {
      EXPECT_EQ(FakeRoot(mounts, groups).quota(), std::nullopt) << mounts << groups;
    }
  }
  FakeRoot odd(kMount2, "0::/\n");
  for (const char* text : {"", "max", "0 0", "x y", "100000", "-5 100000"}) {
    odd.add("/sys/fs/cgroup/cpu.max", text);
    EXPECT_EQ(odd.quota(), std::nullopt) << text;
  }
}

TEST(UsableCpus, TheAffinityCounts) {
  const auto one_cpu = [] {
    cpu_set_t all;
    sched_getaffinity(0, sizeof all, &all);
    for (int cpu = 0, kept = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &all) && kept++ > 0) {
        CPU_CLR(cpu, &all);
      }
    }
    sched_setaffinity(0, sizeof all, &all);
  };
  const auto run = run_assay({"cpu", "--json"}, ASSAY_BINARY, one_cpu);
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(nlohmann::json::parse(run.out)["default_threads"], 1);
}

}  // namespace
}  // namespace assay
