#pragma once
#include <optional>
#include <string>

namespace assay {

/// How many threads of this process can run at once: the CPUs of its affinity, and no more than its control group's quota of CPU time,
/// rounded up. At least 1.
unsigned usable_cpus();

/// CPUs that the affinity of this process allows.
unsigned affine_cpus();

/// The least quota of this process's control group and those above it, in CPUs: 1.5 is 150 ms in each 100 ms. Nothing if
/// there is none, or /proc and /sys do not tell. Both versions of control groups. `root` stands before each path: for tests.
std::optional<double> cpu_quota(const std::string& root = "");

}  // namespace assay
