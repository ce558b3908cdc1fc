#include "harness/runtime/isa.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "harness/runtime/error.h"

namespace assay {
namespace {

struct Feature {
  std::string name;
  CpuidBit cpuid;
  std::vector<std::string> implies;  ///< each above it in the table
  std::set<std::string> executes;
  uint64_t xcr0;
};
struct Level {
  std::string name;
  std::vector<std::string> features;
};
struct Row {
  std::string name;
  IsaKind kind;
  std::string level;
  std::vector<std::string> features;
  bool unmeasured;
  IsaPeak peak;
  std::string only_for, flags;
};

/// The table as it is written: a level or a row names only what it adds.
struct Table {
#include "generated/isas.inc"
};

const Table& table() {
  static const Table all;
  return all;
}

const Feature* find_feature(std::string_view name) {
  const auto it = std::ranges::find(table().kFeatures, name, &Feature::name);
  return it == table().kFeatures.end() ? nullptr : &*it;
}

/// Those of a level and the ones below it. Throws InputError.
std::vector<std::string> level_features(std::string_view name) {
  std::vector<std::string> whole;
  for (const Level& level : table().kLevels) {
    whole.insert(whole.end(), level.features.begin(), level.features.end());
    if (level.name == name) {
      return whole;
    }
  }
  throw InputError(fmt::format("x86-64 has no level '{}'", name));
}

/// Fills what follows from isa.features.
void derive(Isa& isa) {
  isa.executes = table().kExecutes;
  isa.xcr0 = 0;
  for (const std::string& name : isa.features) {
    const Feature& feature = *find_feature(name);  // ci/isas.cmake holds that there is one
    isa.executes.insert(feature.executes.begin(), feature.executes.end());
    isa.xcr0 |= feature.xcr0;
  }
}

std::deque<Isa>& all_isas() {
  static std::deque<Isa> all = [] {
    std::deque<Isa> list;
    for (const Row& row : table().kRows) {
      Isa isa{row.name, row.kind,     row.level, level_features(row.level), 0, {}, row.unmeasured,
              row.peak, row.only_for, row.flags};
      isa.features.insert(isa.features.end(), row.features.begin(), row.features.end());
      derive(isa);
      list.push_back(std::move(isa));
    }
    return list;
  }();
  return all;
}

std::vector<std::string>& all_isa_names() {
  static std::vector<std::string> all = [] {
    std::vector<std::string> list;
    for (const Isa& isa : isas()) {
      list.push_back(isa.name);
    }
    return list;
  }();
  return all;
}

bool names(std::string_view name, std::string_view instruction_set) {
  return name.ends_with('_') ? instruction_set.starts_with(name) : instruction_set == name;
}

/// Every name in the table's `executes`.
const std::set<std::string>& all_names() {
  static const std::set<std::string> all = [] {
    std::set<std::string> list;
    list.insert(table().kExecutes.begin(), table().kExecutes.end());
    for (const Feature& feature : table().kFeatures) {
      list.insert(feature.executes.begin(), feature.executes.end());
    }
    return list;
  }();
  return all;
}

}  // namespace

const std::deque<Isa>& isas() { return all_isas(); }

const Isa& add_isa(std::string_view features) {
  std::set<std::string> wanted;
  const auto want = [&](const auto& self, const std::string& name) -> void {
    wanted.insert(name);
    for (const std::string& other : find_feature(name)->implies) {
      self(self, other);
    }
  };
  const std::string name = fmt::format("[{}]", features);
  for (std::string_view rest = features; !rest.empty();) {
    const std::string_view item = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(item.size() + 1, rest.size()));
    const bool is_level = std::ranges::find(table().kLevels, item, &Level::name) != table().kLevels.end();
    if (is_level) {
      for (const std::string& feature : level_features(item)) {
        want(want, feature);
      }
    } else if (find_feature(item) != nullptr) {
      want(want, std::string(item));
    } else {
      std::vector<std::string> known;
      for (const Level& level : table().kLevels) {
        known.push_back(level.name);
      }
      for (const Feature& feature : table().kFeatures) {
        known.push_back(feature.name);
      }
      throw InputError(fmt::format("unknown feature '{}'; they are: {}", item, fmt::join(known, ", ")));
    }
  }
  const auto known = std::ranges::find(isas(), name, &Isa::name);
  if (known != isas().end()) {
    return *known;
  }
  Isa isa{name, IsaKind::foreign, table().kLevels.front().name, {}, 0, {}, false, {}, "", ""};
  for (const Feature& feature : table().kFeatures) {  // in the table's order
    if (wanted.contains(feature.name)) {
      isa.features.push_back(feature.name);
    }
  }
  for (const Level& level : table().kLevels) {
    if (std::ranges::all_of(level_features(level.name), [&](const auto& f) { return wanted.contains(f); })) {
      isa.level = level.name;
    }
  }
  derive(isa);
  all_isa_names().push_back(name);
  all_isas().push_back(std::move(isa));
  return all_isas().back();
}

const Isa& find_isa(std::string_view name) {
  const auto it = std::ranges::find(isas(), name, &Isa::name);
  if (it == isas().end()) {
    throw InputError(fmt::format("unknown ISA '{}'; they are: {}", name, fmt::join(isa_names(), ", ")));
  }
  return *it;
}

namespace {
const Feature& known_feature(std::string_view name) {
  if (const Feature* feature = find_feature(name)) {
    return *feature;
  }
  throw InputError(fmt::format("there is no feature '{}'", name));
}
}  // namespace

CpuidBit cpuid_bit(std::string_view feature) { return known_feature(feature).cpuid; }

uint64_t xcr0_of(std::string_view feature) { return known_feature(feature).xcr0; }

std::set<std::string> features_of_level(std::string_view level) {
  const auto features = level_features(level);
  return {features.begin(), features.end()};
}

const std::vector<std::string>& isa_names() { return all_isa_names(); }

bool may_execute(const Isa& isa, std::string_view extension, std::string_view instruction_set) {
  const auto is_named = [&](const std::set<std::string>& list) {
    return std::ranges::any_of(list, [&](const std::string& name) { return names(name, instruction_set); });
  };
  // Where the table names the set itself, the extension that it is part of says nothing: POPCNT is one of BASE.
  return is_named(all_names()) ? is_named(isa.executes) : isa.executes.contains(std::string(extension));
}

}  // namespace assay
