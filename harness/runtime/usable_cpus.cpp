#include "harness/runtime/usable_cpus.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string_view>
#include <thread>
#include <vector>

namespace assay {
namespace {

/// Where a hierarchy of control groups is mounted, and which of its groups is at the mount's root.
struct Mount {
  std::string root, point;
};

/// Whether a list with commas names the controller of CPU time.
bool has_cpu(const std::string& list) { return fmt::format(",{},", list).find(",cpu,") != std::string::npos; }

/// The hierarchy that has the CPU controller; `version` 1 or 2. By proc(5), /proc/pid/mountinfo: ID, parent, device, root, mount point,
/// options, optional fields, "-", type, source, options of the file system.
std::optional<Mount> find_mount(const std::string& root, int version) {
  std::ifstream file(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    Mount mount;
    std::string skipped, type, source, options;
    words >> skipped >> skipped >> skipped >> mount.root >> mount.point;
    while (words >> skipped && skipped != "-") {
    }
    words >> type >> source >> options;
    if (version == 2 ? type == "cgroup2" : type == "cgroup" && has_cpu(options)) {
      return mount;
    }
  }
  return std::nullopt;
}

/// The group of this process in that hierarchy. By cgroups(7), /proc/pid/cgroup: "0::/path" or "4:cpu,cpuacct:/path".
std::optional<std::string> find_group(const std::string& root, int version) {
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) {
      continue;
    }
    if (version == 2 ? line.starts_with("0::") : has_cpu(line.substr(first + 1, second - first - 1))) {
      return line.substr(second + 1);
    }
  }
  return std::nullopt;
}

/// The quota of one group, in CPUs.
std::optional<double> quota_of(const std::string& folder, int version) {
  double quota = -1;
  double period = 0;
  if (version == 2) {
    std::ifstream(folder + "/cpu.max") >> quota >> period;  // "max 100000" where there is none
  } else {
    std::ifstream(folder + "/cpu.cfs_quota_us") >> quota;  // -1 where there is none
    std::ifstream(folder + "/cpu.cfs_period_us") >> period;
  }
  return quota > 0 && period > 0 ? std::optional(quota / period) : std::nullopt;
}

std::optional<double> least_quota(const std::string& root, int version) {
  const auto mount = find_mount(root, version);
  auto group = find_group(root, version);
  if (!mount || !group) {
    return std::nullopt;
  }
  // In a container the mount shows the container's own group as its root.
  if (mount->root != "/" && (*group + "/").starts_with(mount->root + "/")) {
    group->erase(0, mount->root.size());
  }
  std::optional<double> least;
  while (true) {
    const auto quota = quota_of(root + mount->point + *group, version);
    if (quota && (!least || *quota < *least)) {
      least = quota;
    }
    const size_t slash = group->rfind('/');
    if (slash == std::string::npos) {
      return least;
    }
    group->resize(slash);
  }
}

}  // namespace

std::optional<double> cpu_quota(const std::string& root) {
  const auto one = least_quota(root, 1);
  const auto two = least_quota(root, 2);
  return one && two ? std::min(*one, *two) : one ? one : two;
}

unsigned affine_cpus() {
  // A machine may have more CPUs than cpu_set_t has bits.
  for (size_t sets = 1; sets <= 64; sets *= 2) {
    std::vector<cpu_set_t> mask(sets);
    const size_t bytes = sets * sizeof(cpu_set_t);
    if (sched_getaffinity(0, bytes, mask.data()) == 0) {
      return static_cast<unsigned>(std::max(CPU_COUNT_S(bytes, mask.data()), 1));
    }
    if (errno != EINVAL) {
      break;
    }
  }
  return std::max(1u, std::thread::hardware_concurrency());
}

unsigned usable_cpus() {
  const unsigned cpus = affine_cpus();
  const auto quota = cpu_quota();
  return quota && *quota < cpus ? std::max(1u, static_cast<unsigned>(std::ceil(*quota))) : cpus;
}

}  // namespace assay
