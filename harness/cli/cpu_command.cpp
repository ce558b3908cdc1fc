#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "harness/cli/commands.h"
#include "harness/runtime/cpu.h"
#include "harness/runtime/registry.h"
#include "harness/runtime/usable_cpus.h"

namespace assay {
namespace {

struct Eligible {
  std::map<std::string, std::vector<std::string>> by_kernel;  ///< variants that this CPU runs, the simpler first
  size_t count = 0;
  size_t compiled = 0;
};

Eligible eligible_variants(const Cpu& cpu) {
  Eligible eligible;
  for (const auto& kernel : kernels()) {
    auto& list = eligible.by_kernel[kernel.name];
    for (const auto& v : kernel.variants) {
      if (isa_status(cpu, v.isa).runnable) {
        list.push_back(v.label());
      }
    }
    eligible.count += list.size();
    eligible.compiled += kernel.variants.size();
  }
  return eligible;
}

void print(const Cpu& cpu, const Eligible& eligible) {
  fmt::print("{}\n{} of {} variants are eligible:\n", describe(cpu), eligible.count, eligible.compiled);
  // Kernels with the same variants share a line.
  std::map<std::vector<std::string>, std::vector<std::string>> kernels_of;
  for (const auto& [kernel, isas] : eligible.by_kernel) {
    kernels_of[isas].push_back(kernel);
  }
  for (const auto& [isas, names] : kernels_of) {
    fmt::print("  {}: {}\n", fmt::join(names, ", "), fmt::join(isas, ", "));
  }
}

}  // namespace

void add_cpu_command(CLI::App& app, int& status) {
  auto* command =
      app.add_subcommand("cpu", "this CPU, or another one's dump: identity, caches, and what would run there");
  auto json = std::make_shared<bool>(false);
  auto raw = std::make_shared<std::string>();
  command->add_flag("--json", *json, "for programs");
  command->add_option("--raw", *raw, "a libcpuid raw dump of another CPU (made by `cpuid_tool --save=FILE`)");
  command->callback([command, json, raw, &status] {
    const bool here = command->count("--raw") == 0;
    const Cpu cpu = here ? detect_cpu() : read_cpu_dump(*raw);
    const Eligible eligible = eligible_variants(cpu);
    if (*json) {
      nlohmann::json out = to_json(cpu);
      out["variants"] = {
          {"compiled", eligible.compiled}, {"eligible", eligible.count}, {"by_kernel", eligible.by_kernel}};
      if (here) {
        out["default_threads"] = usable_cpus();
      }
      fmt::print("{}\n", out.dump(2));
    } else {
      print(cpu, eligible);
      if (here) {
        const auto quota = cpu_quota();
        fmt::print("threads by default: {} (the affinity allows {} CPUs, the control group {})\n", usable_cpus(),
                   affine_cpus(), quota ? fmt::format("a quota of {:.4g}", *quota) : "any");
      }
    }
    status = 0;
  });
}

}  // namespace assay
