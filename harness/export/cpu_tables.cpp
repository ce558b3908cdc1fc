#include "harness/export/cpu_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <vector>

#include "harness/export/interface.h"
#include "harness/runtime/text.h"

namespace assay {
namespace {

/// The features that ISAs of the table need, in order: a set of them is a number.
const std::vector<std::string>& all_features() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> names;
    for (const Isa& isa : isas()) {
      for (const std::string& name : isa.kind == IsaKind::foreign ? std::vector<std::string>() : isa.features) {
        if (std::ranges::find(names, name) == names.end()) {
          names.push_back(name);
        }
      }
    }
    return names;
  }();
  return all;
}

uint64_t bit_of(const std::string& feature) {
  const auto it = std::ranges::find(all_features(), feature);
  return it == all_features().end() ? 0 : uint64_t{1} << (it - all_features().begin());
}

/// Those of a CPU as a profile has it, that its operating system has enabled.
uint64_t bits_of_cpu(const nlohmann::json& cpu) {
  uint64_t xcr0 = ~uint64_t{0};
  if (const auto it = cpu.find("xcr0"); it != cpu.end() && it->is_string()) {
    xcr0 = std::strtoull(it->get_ref<const std::string&>().c_str(), nullptr, 0);
  }
  uint64_t bits = 0;
  for (const auto& name : cpu.value("features", nlohmann::json::array())) {
    const uint64_t bit = name.is_string() ? bit_of(name.get<std::string>()) : 0;
    if (bit != 0 && (xcr0 & xcr0_of(name.get<std::string>())) == xcr0_of(name.get<std::string>())) {
      bits |= bit;
    }
  }
  return bits;
}

}  // namespace

uint64_t bits_of(const Isa& isa) {
  uint64_t bits = 0;
  for (const std::string& name : isa.features) {
    bits |= bit_of(name);
  }
  return bits;
}

std::string feature_table() {
  std::string rows;
  for (const std::string& name : all_features()) {
    const CpuidBit cpuid = cpuid_bit(name);
    rows += fmt::format("    {{\"{}\", {:#x}, {}, {}, {}, {:#x}}},\n", name, cpuid.leaf, cpuid.subleaf, cpuid.reg,
                        cpuid.bit, xcr0_of(name));
  }
  return fmt::format(
      "const struct assay_feature assay_feature_table[] = {{\n{}}};\nconst size_t assay_n_features = {};\n", rows,
      all_features().size());
}

std::string cpu_table(const Fleet* fleet) {
  std::string rows;
  const std::vector<Member> none;
  for (const Member& m : fleet != nullptr ? fleet->members : none) {
    const auto number = [&](const char* field) {
      const auto value = m.profile.cpu.value(field, nlohmann::json());
      return value.is_number_integer() ? value.get<uint32_t>() : 0;
    };
    const auto vendor = m.profile.cpu.value("vendor", nlohmann::json());
    rows += fmt::format("    {{{}, {}, {}, {:#x}, {}}},\n",
                        c_string(one_line(vendor.is_string() ? vendor.get<std::string>() : "", 12).substr(0, 12)),
                        number("family"), number("model"), bits_of_cpu(m.profile.cpu),
                        c_string(name_of_cpu(m.profile.cpu)));
  }
  const size_t count = fleet != nullptr ? fleet->members.size() : 0;
  return fmt::format("const struct assay_cpu assay_cpus[] = {{\n{}}};\nconst size_t assay_n_cpus = {};\n",
                     rows.empty() ? "    {\"\", 0, 0, 0, \"\"},\n" : rows, count);
}

}  // namespace assay
