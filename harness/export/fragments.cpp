#include "harness/export/fragments.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

namespace assay {

std::string choices_json(const Package& package) {
  auto cpus = nlohmann::json::array();
  for (const Member& m : package.fleet.members) {
    cpus.push_back(name_of_cpu(m.profile.cpu));
  }
  nlohmann::json kernels;
  for (const KernelSet& set : package.contents.sets) {
    auto choices = nlohmann::json::array();
    for (const auto& [m, rows] : set.members) {
      for (const SetRow& row : rows) {
        choices.push_back({{"cpu", m},
                           {"class", row.choice->label},
                           {"shape", row.choice->shape},
                           {"call", row.called},
                           {"made", row.made}});
      }
    }
    kernels[set.kernel] = {{"variants", set.labels}, {"choices", choices}};
  }
  return nlohmann::json{{"cpus", cpus}, {"kernels", kernels}}.dump(1) + "\n";
}

std::string choices_cmake(const Package& package) {
  std::string text = "# Variants of each kernel to build in: written by `assay export --format cmake`.\n";
  for (const KernelSet& set : package.contents.sets) {
    text += fmt::format("set(ASSAY_{} \"{}\")\n", set.kernel, fmt::join(set.labels, ";"));
  }
  return text;
}

}  // namespace assay
