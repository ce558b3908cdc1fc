#include "harness/export/fleet.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <span>
#include <thread>

#include "harness/export/repeat.h"
#include "harness/runtime/atomic_file.h"
#include "harness/runtime/error.h"
#include "harness/runtime/text.h"
#include "harness/runtime/usable_cpus.h"

namespace assay {
namespace {

constexpr size_t kLargestFleet = size_t{256} << 20;
constexpr int kDeepestFleet = 20;
constexpr size_t kLargestRepeat = size_t{4} << 20;

/// What a choice is for.
struct RowKey {
  std::string kernel;
  Shape shape;
  bool cold;
  auto operator<=>(const RowKey&) const = default;
};

/// As short as will do: thousands of profiles have millions.
struct ShortRatio {
  float median, low, high;
  uint32_t file;
};

/// What the profiles of one CPU say of a choice.
struct Row {
  Choice first;
  std::map<std::string, size_t, std::less<>> chosen;  ///< how often
  std::vector<float> controls, shares;
  std::map<std::string, std::vector<ShortRatio>, std::less<>> ratios;
};

/// Pools the profiles of one CPU.
class Pool {
 public:
  void add(uint32_t file, Profile&& profile) {
    if (count_++ == 0) {
      pooled_.cpu = profile.cpu;
      pooled_.archspec = profile.archspec;
      pooled_.compiler = profile.compiler;
    }
    pooled_.date = std::max(pooled_.date, profile.date);
    pooled_.evidence.insert(profile.evidence.begin(), profile.evidence.end());
    for (Choice& choice : profile.choices) {
      const auto [entry, is_new] = rows_.try_emplace({choice.kernel, choice.shape, choice.cold});
      if (is_new) {
        in_order_.push_back(&*entry);
      }
      Row& row = entry->second;
      ++row.chosen[choice.variant];
      row.controls.push_back(static_cast<float>(timing_of(choice, "control_ratio", 1)));
      row.shares.push_back(static_cast<float>(timing_of(choice, "share_of_limit", 0)));
      for (const auto& [label, ratio] : choice.ratios) {
        row.ratios[label].push_back(
            {static_cast<float>(ratio.median), static_cast<float>(ratio.low), static_cast<float>(ratio.high), file});
      }
      if (row.controls.size() == 1) {
        choice.ratios.clear();
        row.first = std::move(choice);
      }
    }
  }

  /// The same of a profile that has nothing new but its times, in the twentieth part of the time; false, and nothing is done, if it has.
  bool add(uint32_t file, const Repeat& repeat) {
    found_.clear();
    for (const Repeat::Row& r : repeat.rows) {
      Row* row = find_row(r, found_.size());
      if (row == nullptr || !is_known(*row, repeat, r)) {
        return false;
      }
      found_.push_back(row);
    }
    if (!is_of_this_code(repeat)) {
      return false;
    }
    ++count_;
    pooled_.date = std::max(pooled_.date, std::string(repeat.date));
    for (size_t i = 0; i < found_.size(); ++i) {
      const Repeat::Row& r = repeat.rows[i];
      ++at(found_[i]->chosen, r.variant);
      found_[i]->controls.push_back(r.control);
      found_[i]->shares.push_back(r.share);
      for (size_t k = r.ratios_begin; k < r.ratios_end; ++k) {
        const Repeat::Timed& t = repeat.ratios[k];
        at(found_[i]->ratios, t.label).push_back({t.median, t.low, t.high, file});
      }
    }
    return true;
  }

  Member member(const std::vector<std::string>& paths) {
    Member member;
    member.profiles = count_;
    for (auto& [key, row] : rows_) {
      pooled_.choices.push_back(pooled_choice(row, paths, member.disagreements));
    }
    member.profile = std::move(pooled_);
    return member;
  }

 private:
  template <class Map>
  static typename Map::mapped_type& at(Map& map, std::string_view name) {
    const auto it = map.find(name);
    return it != map.end() ? it->second : map[std::string(name)];
  }

  /// Profiles of one CPU have their rows in one order, mostly.
  Row* find_row(const Repeat::Row& r, size_t expected) {
    const std::span shape(r.shape.data(), r.n_dims);
    const auto is_it = [&](const RowKey& key) {
      return key.kernel == r.kernel && key.cold == r.cold && std::ranges::equal(key.shape, shape);
    };
    if (expected < in_order_.size() && is_it(in_order_[expected]->first)) {
      return &in_order_[expected]->second;
    }
    const auto it = rows_.find({std::string(r.kernel), Shape(shape.begin(), shape.end()), r.cold});
    return it != rows_.end() ? &it->second : nullptr;
  }

  /// Whether each variant that a row names is one of those of the profiles before; one with parameters in that row itself.
  bool is_known(const Row& row, const Repeat& repeat, const Repeat::Row& r) const {
    const auto has_evidence = [&](std::string_view label) {
      return pooled_.evidence.contains(fmt::format("{}/{}", r.kernel, label));
    };
    for (size_t k = r.ratios_begin; k < r.ratios_end; ++k) {
      if (!row.ratios.contains(repeat.ratios[k].label) && !has_evidence(repeat.ratios[k].label)) {
        return false;
      }
    }
    return row.chosen.contains(r.variant) || has_evidence(r.variant);
  }

  bool is_of_this_code(const Repeat& repeat) const {
    auto expected = pooled_.evidence.begin();
    for (const Repeat::Code& c : repeat.evidence) {
      if (expected == pooled_.evidence.end() || expected->first != c.name) {
        expected = pooled_.evidence.find(std::string(c.name));
      }
      if (expected == pooled_.evidence.end() || expected->second.code != c.code ||
          expected->second.contract != c.contract) {
        return false;
      }
      ++expected;
    }
    return true;
  }

  static Choice pooled_choice(Row& row, const std::vector<std::string>& paths,
                              std::vector<std::string>& disagreements) {
    Choice choice = std::move(row.first);
    const double noise = upper_median(row.controls);
    for (auto& [label, all] : row.ratios) {
      std::vector<float> parts[3];
      for (const ShortRatio& r : all) {
        parts[0].push_back(r.median);
        parts[1].push_back(r.low);
        parts[2].push_back(r.high);
      }
      const Ratio pooled{upper_median(parts[0]), upper_median(parts[1]), upper_median(parts[2])};
      for (const ShortRatio& r : all) {
        if (r.low > pooled.high * noise || r.high * noise < pooled.low) {
          disagreements.push_back(
              fmt::format("{} {}: {} takes {:.2f} to {:.2f} times the fastest's time in {}, {:.2f} to {:.2f} pooled",
                          choice.kernel, choice.label, label, r.low, r.high, paths[r.file], pooled.low, pooled.high));
        }
      }
      choice.ratios[label] = pooled;
    }
    const auto usual = std::ranges::max_element(row.chosen, {}, [](const auto& entry) { return entry.second; });
    if (usual->first != choice.variant) {
      choice.variant = usual->first;
      choice.code = find_variant(choice.kernel + "/" + choice.variant).code;
      choice.parameters.clear();
    }
    choice.timing = {{"control_ratio", std::max(1.0, noise)},
                     {"share_of_limit", upper_median(row.shares)},
                     {"profiles", row.controls.size()}};
    return choice;
  }

  Profile pooled_;
  std::map<RowKey, Row> rows_;
  std::vector<std::pair<const RowKey, Row>*> in_order_;  ///< as they came
  std::vector<Row*> found_;                              ///< those of one profile
  size_t count_ = 0;
};

/// Reads files ahead, each by one thread of several, in their order.
class Reader {
 public:
  explicit Reader(const std::vector<std::string>& paths) : paths_(paths), slots_(std::max(1u, usable_cpus())) {}

  /// Calls `use` for each, in order, with nothing for what read_profile must read.
  void each(const std::function<void(uint32_t, const Repeat*)>& use) {
    for (size_t begin = 0; begin < paths_.size(); begin += slots_.size()) {
      const size_t count = std::min(slots_.size(), paths_.size() - begin);
      std::vector<std::thread> threads;
      for (size_t i = 1; i < count; ++i) {
        threads.emplace_back([this, begin, i] { read(begin, i); });
      }
      read(begin, 0);
      for (auto& thread : threads) {
        thread.join();
      }
      for (size_t i = 0; i < count; ++i) {
        use(static_cast<uint32_t>(begin + i), slots_[i].good ? &slots_[i].repeat : nullptr);
      }
    }
  }

 private:
  struct Slot {
    std::string text;
    Repeat repeat;
    bool good = false;
  };

  void read(size_t begin, size_t i) noexcept {
    Slot& slot = slots_[i];
    try {
      slot.text = read_small_file(paths_[begin + i], kLargestRepeat);
      slot.good = read_repeat(slot.text, slot.repeat);
    } catch (...) {
      slot.good = false;  // read_profile says what is wrong
    }
  }

  const std::vector<std::string>& paths_;
  std::vector<Slot> slots_;
};

/// All profiles of a fleet are of one code: one set of kernels is chosen by them.
class SameCode {
 public:
  /// Throws InputError for a profile that is of other code than one before.
  void expect(const std::string& path, const Profile& profile) {
    for (const auto& [name, evidence] : profile.evidence) {
      const auto& [known, first_path] = known_.try_emplace(name, evidence, path).first->second;
      if (known.code != evidence.code || known.contract != evidence.contract) {
        throw InputError(
            fmt::format("{}: {} is of other {} than in {}; make both with one build of assay: `assay tune`", path, name,
                        known.contract != evidence.contract ? "a version of its contract" : "code", first_path));
      }
    }
  }

 private:
  std::map<std::string, std::pair<Evidence, std::string>> known_;
};

}  // namespace

Fleet merge_profiles(const std::vector<std::string>& paths) {
  std::map<std::string, Pool> pools;                  // by the CPU's identity
  std::map<std::string, Pool*, std::less<>> by_text;  // by the JSON that a file has of it
  SameCode code;
  const auto add_whole = [&](uint32_t file) -> Pool& {
    Profile profile = read_profile(paths[file]);
    if (!profile.missing.empty()) {
      throw InputError(
          fmt::format("{}: it chose {}, of a plug-in: a fleet is of assay's own kernels; tune without --plugin",
                      paths[file], *profile.missing.begin()));
    }
    code.expect(paths[file], profile);
    Pool& pool = pools[profile.cpu.dump()];
    pool.add(file, std::move(profile));
    return pool;
  };
  Reader(paths).each([&](uint32_t file, const Repeat* repeat) {
    const auto known = repeat != nullptr ? by_text.find(repeat->cpu) : by_text.end();
    if (known != by_text.end() && known->second->add(file, *repeat)) {
      return;
    }
    Pool& pool = add_whole(file);
    if (repeat != nullptr) {
      by_text[std::string(repeat->cpu)] = &pool;
    }
  });
  Fleet fleet;
  for (auto& [identity, pool] : pools) {
    fleet.members.push_back(pool.member(paths));
  }
  return fleet;
}

Fleet read_fleet(const std::string& path) {
  const std::string text = read_small_file(path, kLargestFleet);
  try {
    const auto json = parse_json(text, kDeepestFleet);
    Fleet fleet;
    if (!json.is_object() || !json.contains("fleet_version")) {
      fleet.members.push_back({profile_of_json(path, json), 1, {}});
      return fleet;
    }
    if (json.at("fleet_version") != Fleet::kSchemaVersion) {
      throw InputError(fmt::format("{}: has fleet version {}, this build reads {}; make it anew with `assay merge`",
                                   path, one_line(json.at("fleet_version").dump(), 40), Fleet::kSchemaVersion));
    }
    for (const auto& m : json.at("members")) {
      Member& member = fleet.members.emplace_back();
      member.profile = profile_of_json(path, m.at("profile"));
      member.profiles = m.at("profiles").get<size_t>();
      for (const auto& line : m.at("disagreements")) {
        member.disagreements.push_back(one_line(line.get_ref<const std::string&>(), 300));
      }
    }
    return fleet;
  } catch (const nlohmann::json::exception& e) {
    throw InputError(fmt::format("{}: {}; make it anew with `assay merge`", path, one_line(e.what(), 300)));
  }
}

std::string fleet_text(const Fleet& fleet) {
  std::string text = fmt::format("{{\"fleet_version\": {},\n\"members\": [", Fleet::kSchemaVersion);
  for (const Member& member : fleet.members) {
    text += fmt::format("{}\n{{\"profiles\": {},\n\"disagreements\": {},\n\"profile\": {}}}",
                        &member == fleet.members.data() ? "" : ",", member.profiles,
                        nlohmann::json(member.disagreements).dump(), profile_text(member.profile));
  }
  return text + "]}\n";
}

double timing_of(const Choice& choice, const char* field, double otherwise) {
  const auto it = choice.timing.find(field);
  return it != choice.timing.end() && it->is_number() ? it->get<double>() : otherwise;
}

std::string name_of_cpu(const nlohmann::json& identity) {
  const auto field = [&](const char* name) {
    const auto value = identity.value(name, nlohmann::json());
    return one_line(value.is_string() ? value.get<std::string>() : value.dump(), 80);
  };
  return fmt::format("{} ({}, family {}, model {})", field("brand"), field("vendor"), field("family"), field("model"));
}

}  // namespace assay
