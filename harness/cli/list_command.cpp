#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/cli/commands.h"
#include "harness/cli/plugin_flags.h"
#include "harness/runtime/cpu.h"
#include "harness/runtime/plugin.h"
#include "harness/runtime/registry.h"

namespace assay {
namespace {

void print_json(const Cpu& cpu) {
  auto json = nlohmann::json::array();
  for (const auto& kernel : kernels()) {
    for (const auto& v : kernel.variants) {
      const IsaStatus status = isa_status(cpu, v.isa);
      json.push_back({{"kernel", v.kernel},
                      {"variant", v.label()},
                      {"isa", v.isa},
                      {"compiled", true},
                      {"runnable", status.runnable},
                      {"reason", status.reason},
                      {"file", v.file},
                      {"lines", v.lines},
                      {"shared_lines", v.shared_lines},
                      {"contract", kernel.contract->version},
                      {"code", v.code},
                      {"sizes", kernel.dims()},
                      {"layout", v.layout}});
    }
  }
  fmt::print("{}\n", json.dump(2));
}

/// ISAs that some kernel has a variant for.
std::vector<std::string> used_isas() {
  std::vector<std::string> used;
  for (const auto& isa : isa_names()) {
    if (std::ranges::any_of(kernels(), [&](const Kernel& k) { return k.find(isa) != nullptr; })) {
      used.push_back(isa);
    }
  }
  return used;
}

/// Why a kernel has no variant for an ISA; "" where nothing says why.
std::string why_missing(const Kernel& kernel, const Isa& isa) {
  const assay_contract& contract = *kernel.contract;
  if (!isa.only_for.empty() && (contract.weights == nullptr || contract.activations == std::string_view("f32"))) {
    return fmt::format("what it adds is for {}", isa.only_for);
  }
  return contract.left_out != nullptr ? contract.left_out : "";
}

/// Of each reason the ISAs and kernels without a variant.
void print_missing() {
  std::map<std::string, std::pair<std::set<std::string>, std::set<std::string>>> missing;
  for (const Kernel& kernel : kernels()) {
    for (const auto& isa : used_isas()) {
      if (kernel.find(isa) == nullptr) {
        const std::string why = why_missing(kernel, find_isa(isa));
        auto& [of_isas, of_kernels] = missing[why.empty() ? "nobody has written it" : why];
        of_isas.insert(isa);
        of_kernels.insert(kernel.name);
      }
    }
  }
  for (const auto& [why, of] : missing) {
    fmt::print("no variant for {}: {} ({})\n", fmt::join(of.first, ", "), why,
               of.second.size() > 30 ? fmt::format("{} kernels", of.second.size())
                                     : fmt::format("{}", fmt::join(of.second, ", ")));
  }
}

void print_matrix(const Cpu& cpu) {
  fmt::print("{:<18}", "kernel");
  for (const auto& isa : used_isas()) {
    fmt::print(" {:>{}}", isa, std::max<size_t>(isa.size(), 4));
  }
  fmt::print("\n");
  size_t runnable = 0;
  size_t compiled = 0;
  for (const auto& kernel : kernels()) {
    fmt::print("{:<18}", kernel.name);
    for (const auto& isa : used_isas()) {
      const bool exists = kernel.find(isa) != nullptr;
      const bool runs = exists && isa_status(cpu, isa).runnable;
      fmt::print(" {:>{}}", !exists ? "." : runs ? "run" : "built", std::max<size_t>(isa.size(), 4));
    }
    fmt::print("\n");
    std::vector<std::string> others;  // of the same ISAs, under a nickname
    for (const auto& variant : kernel.variants) {
      const bool runs = isa_status(cpu, variant.isa).runnable;
      ++compiled;
      runnable += runs;
      if (variant.label() != variant.isa) {
        others.push_back(variant.label() + (runs ? "" : " (built)"));
      }
    }
    if (!others.empty()) {
      fmt::print("{:<18} and {}\n", "", fmt::join(others, ", "));
    }
  }
  fmt::print(
      "\nrun: compiled and runnable here; built: compiled, not runnable here; '.': no such variant\n"
      "{} variants compiled, {} runnable here\n",
      compiled, runnable);
  print_missing();
  for (const auto& isa : used_isas()) {
    const IsaStatus status = isa_status(cpu, isa);
    if (!status.runnable) {
      fmt::print("{} cannot run: {}\n", isa, status.reason);
    }
  }
  for (const auto& library : plugins()) {
    fmt::print("plug-in {} {} ({}): {}, SHA-256 {}\n", library->name, library->version, library->license, library->path,
               library->hash);
  }
}

}  // namespace

void add_list_command(CLI::App& app, int& status) {
  auto* command = app.add_subcommand("list", "kernels and variants: what is compiled, what runs here, and why not");
  auto json = std::make_shared<bool>(false);
  auto plugins = std::make_shared<PluginFlags>();
  add_plugin_flag(*command, *plugins);
  command->add_flag("--json", *json, "for programs");
  command->callback([json, plugins, &status] {
    load_plugins(*plugins);
    const Cpu cpu = detect_cpu();
    *json ? print_json(cpu) : print_matrix(cpu);
    status = 0;
  });
}

}  // namespace assay
