#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "harness/commands.h"
#include "harness/cpu.h"

namespace assay {

void add_cpu_command(CLI::App& app, int& status) {
  auto* command = app.add_subcommand("cpu", "this CPU, or another one's dump: identity, caches, and what would run there");
  auto json = std::make_shared<bool>(false);
  auto raw = std::make_shared<std::string>();
  command->add_flag("--json", *json, "for programs");
  command->add_option("--raw", *raw, "a libcpuid raw dump of another CPU (made by `cpuid_tool --save=FILE`)");
  command->callback([json, raw, &status] {
    const Cpu cpu = raw->empty() ? detect_cpu() : read_cpu_dump(*raw);
    if (*json) {
      fmt::print("{}\n", to_json(cpu).dump(2));
    } else {
      fmt::print("{}", describe(cpu));
    }
    status = 0;
  });
}

}  // namespace assay
