#include "harness/runtime/isa.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "harness/runtime/error.h"

namespace assay {
namespace {

struct Level {
  std::string name;
  std::vector<std::string> features;
  uint64_t xcr0;
  std::set<std::string> executes;
};
struct Row {
  std::string name;
  IsaKind kind;
  std::string level;
  std::vector<std::string> features;
  std::set<std::string> executes;
  bool unmeasured;
  IsaPeak peak;
  std::string only_for;
};

/// The table as it is written: a level or a row names only what it adds.
struct Table {
#include "generated/isas.inc"
};

const Table& table() {
  static const Table all;
  return all;
}

/// Everything up to and with a level.
Level whole_level(std::string_view name) {
  Level whole;
  for (const Level& level : table().kLevels) {
    whole.name = level.name;
    whole.features.insert(whole.features.end(), level.features.begin(), level.features.end());
    whole.xcr0 = level.xcr0;
    whole.executes.insert(level.executes.begin(), level.executes.end());
    if (level.name == name) {
      return whole;
    }
  }
  throw InputError(fmt::format("x86-64 has no level '{}'", name));
}

bool names(std::string_view name, std::string_view instruction_set) {
  return name.ends_with('_') ? instruction_set.starts_with(name) : instruction_set == name;
}

/// Every name in the table's `executes`.
const std::set<std::string>& all_names() {
  static const std::set<std::string> all = [] {
    std::set<std::string> list;
    for (const Isa& isa : isas()) {
      list.insert(isa.executes.begin(), isa.executes.end());
    }
    return list;
  }();
  return all;
}

}  // namespace

const std::vector<Isa>& isas() {
  static const std::vector<Isa> all = [] {
    std::vector<Isa> list;
    for (const Row& row : table().kRows) {
      const Level level = whole_level(row.level);
      Isa isa{row.name,       row.kind,       row.level, level.features, level.xcr0,
              level.executes, row.unmeasured, row.peak,  row.only_for};
      isa.features.insert(isa.features.end(), row.features.begin(), row.features.end());
      isa.executes.insert(row.executes.begin(), row.executes.end());
      list.push_back(std::move(isa));
    }
    return list;
  }();
  return all;
}

const Isa& find_isa(std::string_view name) {
  const auto it = std::ranges::find(isas(), name, &Isa::name);
  if (it == isas().end()) {
    throw InputError(fmt::format("unknown ISA '{}'; they are: {}", name, fmt::join(isa_names(), ", ")));
  }
  return *it;
}

std::set<std::string> features_of_level(std::string_view level) {
  const auto features = whole_level(level).features;
  return {features.begin(), features.end()};
}

const std::vector<std::string>& isa_names() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> list;
    for (const Isa& isa : isas()) {
      list.push_back(isa.name);
    }
    return list;
  }();
  return all;
}

bool may_execute(const Isa& isa, std::string_view extension, std::string_view instruction_set) {
  const auto is_named = [&](const std::set<std::string>& list) {
    return std::ranges::any_of(list, [&](const std::string& name) { return names(name, instruction_set); });
  };
  // Where the table names the set itself, the extension that it is part of says nothing: POPCNT is one of BASE.
  return is_named(all_names()) ? is_named(isa.executes) : isa.executes.contains(std::string(extension));
}

}  // namespace assay
