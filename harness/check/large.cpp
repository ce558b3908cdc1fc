// Lengths over 2^31 bytes.
#include <fmt/format.h>
#include <sys/sysinfo.h>

#include <fstream>
#include <string>

#include "harness/check/job.h"
#include "harness/check/trial.h"
#include "harness/runtime/error.h"

namespace assay {
namespace {

constexpr double kGiB = 0x1p30;

/// Bytes that can be used without swapping.
double available_memory() {
  std::ifstream file("/proc/meminfo");
  std::string name;
  for (double kib = 0; file >> name >> kib; file.ignore(100, '\n')) {
    if (name == "MemAvailable:") {
      return kib * 1024;
    }
  }
  // Without /proc: what nobody uses at all.
  struct sysinfo info {};
  return sysinfo(&info) == 0 ? static_cast<double>(info.freeram) * info.mem_unit : 0;
}

}  // namespace

std::vector<Verdict> check_large(const Cpu& cpu, const CheckOptions& options) {
  std::vector<Verdict> verdicts;
  for (const auto& [kernel, variant] : select(options, false)) {
    const Shape shape = trial_of(*kernel).large_shape();
    if (shape.empty()) {
      continue;
    }
    Verdict v = new_verdict(*variant, options.seed, cpu);
    if (v.status != Status::not_runnable) {
      // The buffers, and what a judge keeps of its own.
      const double needed = 1.25 * trial_of(*kernel).work(shape).bytes() + kGiB / 2;
      const double available = available_memory();
      if (available < needed) {
        v.status = Status::not_runnable;
        v.reason = fmt::format("needs {:.1f} GiB of memory, {:.1f} are available", needed / kGiB, available / kGiB);
      } else {
        CaseId id;
        id.variant = variant->name();
        id.shape = shape;
        id.input_class = InputClass::integers;
        id.seed = options.seed;
        v = check_case(cpu, id, options.timeout);
      }
    }
    if (options.on_verdict) {
      options.on_verdict(v);
    }
    verdicts.push_back(std::move(v));
  }
  if (verdicts.empty()) {
    throw InputError(
        fmt::format("no kernel that matches --kernel '{}' is tried at large lengths", options.kernel_glob));
  }
  return verdicts;
}

}  // namespace assay
