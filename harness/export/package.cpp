#include "harness/export/package.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "harness/export/build_files.h"
#include "harness/export/evidence.h"
#include "harness/export/single_file.h"
#include "harness/runtime/atomic_file.h"
#include "harness/runtime/error.h"
#include "harness/runtime/text.h"

namespace assay {
namespace {

constexpr const char* kEvidence = "evidence.json";
constexpr const char* kManifest = "files.json";
constexpr size_t kLargestManifest = size_t{4} << 20;
constexpr int kDeepestManifest = 12;

/// Tells whether somebody has changed a file: FNV-1a. Nothing depends on nobody forging it.
std::string hash_of(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) {
    hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  }
  return fmt::format("{:016x}", hash);
}

/// What of the fleet the export rests on.
Fleet fleet_of(const Fleet& fleet, const std::set<std::string>& kernels) {
  Fleet reduced = fleet;
  const auto is_in = [&](const std::string& kernel) { return kernels.contains(kernel); };
  for (Member& m : reduced.members) {
    std::erase_if(m.profile.choices, [&](const Choice& c) { return !is_in(c.kernel) || c.ratios.empty(); });
    std::erase_if(m.profile.evidence,
                  [&](const auto& entry) { return !is_in(entry.first.substr(0, entry.first.find('/'))); });
  }
  return reduced;
}

bool is_measured(const Fleet& fleet, const std::string& kernel) {
  return std::ranges::any_of(fleet.members, [&](const Member& m) {
    return std::ranges::any_of(m.profile.choices,
                               [&](const Choice& c) { return c.kernel == kernel && !c.ratios.empty(); });
  });
}

void add_sources(const Recipe& recipe, Package& package) {
  std::set<std::string> sources = {"include/assay/contract.h", "include/assay/plugin.h"};
  for (const Unit& unit : units_of(recipe, package.contents)) {
    sources.insert(unit.files.begin(), unit.files.end());
    // A format's description and its scratch are named by definitions.
    for (const std::string& define : unit.defines) {
      const size_t quote = define.find('"');
      if (quote != std::string::npos && define.ends_with(".h\"")) {
        sources.insert(define.substr(quote + 1, define.size() - quote - 2));
      }
    }
  }
  for (const KernelSet& set : package.contents.sets) {
    sources.insert(recipe.of_kernel(set.kernel).header);
  }
  for (const std::string& file : recipe.with_includes(sources)) {
    package.files[file] = recipe.read(file);
  }
  package.files["LICENSE"] = recipe.read("LICENSE");
}

void add_dispatcher(const Recipe& recipe, const Contents& contents, const Fleet* fleet,
                    const std::vector<std::string>& names, std::map<std::string, std::string>& files) {
  for (const std::string& name : names) {
    files["src/" + name] = recipe.read("harness/export/package/" + name);
  }
  files["include/assay/kernels.h"] = interface_header(recipe, contents);
  files["src/kernels.c"] = interface_source(recipe, contents, fleet);
}

/// The sources, what chooses among them, and what builds them.
void add_folder(const Recipe& recipe, Package& package) {
  add_sources(recipe, package);
  std::vector<std::string> dispatcher = {"dispatch.c", "dispatch.h", "plugin.c"};
  if (package.contents.has_generators()) {
    dispatcher.emplace_back("generate.c");
  }
  add_dispatcher(recipe, package.contents, &package.fleet, dispatcher, package.files);
  package.files.merge(build_files(recipe, package.contents));
}

/// Names and hashes of an export's files; throws InputError if the folder is none.
std::map<std::string, std::string> manifest_of(const std::string& folder) {
  const std::string path = folder + "/" + kManifest;
  try {
    const auto json = parse_json(read_small_file(path, kLargestManifest), kDeepestManifest);
    std::map<std::string, std::string> files;
    for (const auto& [name, hash] : json.at("files").items()) {
      if (name.find("..") != std::string::npos || name.starts_with("/")) {
        throw InputError(fmt::format("{}: it names {}, which is outside", path, quote(name)));
      }
      files[name] = hash.get<std::string>();
    }
    return files;
  } catch (const nlohmann::json::exception& e) {
    throw InputError(fmt::format("{}: {}; export to another folder", path, one_line(e.what(), 300)));
  }
}

std::optional<std::string> text_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return in ? std::optional(std::move(text).str()) : std::nullopt;
}

}  // namespace

Package make_package(const Recipe& recipe, const Fleet& fleet, const ExportOptions& options) {
  Package package;
  std::set<std::string> measured;
  for (const Kernel& kernel : kernels()) {
    if (!glob_match(options.kernels, kernel.name)) {
      continue;
    }
    if (is_measured(fleet, kernel.name)) {
      measured.insert(kernel.name);
    } else {
      package.left_out.push_back(kernel.name);
    }
  }
  if (measured.empty()) {
    throw InputError(
        fmt::format("no kernel that matches '{}' was measured by any profile of the fleet", options.kernels));
  }
  // The sets point into it.
  package.fleet = fleet_of(fleet, measured);
  // Of what is exported: drift_of, which has that alone, must judge alike.
  expect_quiet(package.fleet, options.set.within);
  for (const std::string& kernel : measured) {
    package.contents.sets.push_back(smallest_set(find_kernel(kernel), package.fleet, options.set));
  }
  if (options.single_file) {
    package.files = single_file(recipe, package.contents, package.fleet);
    package.files["LICENSE"] = recipe.read("LICENSE");
  } else {
    add_folder(recipe, package);
  }
  package.files["fleet.json"] = fleet_text(package.fleet);
  package.files[kEvidence] = evidence_json(recipe, package, options).dump(1) + "\n";
  package.files["evidence.md"] = evidence_markdown(package, options);
  nlohmann::json hashes;
  for (const auto& [name, text] : package.files) {
    hashes[name] = hash_of(text);
  }
  package.files[kManifest] = nlohmann::json{{"made_by", "assay export"}, {"files", hashes}}.dump(1) + "\n";
  return package;
}

std::map<std::string, std::string> make_library(const Recipe& recipe) {
  Contents contents;
  for (const Kernel& kernel : kernels()) {
    KernelSet set;
    set.kernel = kernel.name;
    for (const Variant& v : kernel.variants) {
      if (v.defect.empty() && !v.foreign && !v.jit) {
        set.labels.push_back(v.label());
      }
    }
    contents.sets.push_back(std::move(set));
  }
  std::map<std::string, std::string> files;
  add_dispatcher(recipe, contents, nullptr, {}, files);
  files["src/generators_table.c"] = generators_source(recipe);
  return files;
}

void write_files(const std::string& folder, const std::map<std::string, std::string>& files) {
  for (const auto& [name, text] : files) {
    const auto path = std::filesystem::path(folder) / name;
    std::error_code ignored;  // writing tells
    std::filesystem::create_directories(path.parent_path(), ignored);
    write_file_atomically(path, text);
  }
}

void write_package(const std::string& folder, const Package& package) {
  std::error_code error;
  std::map<std::string, std::string> before;
  if (std::filesystem::exists(folder, error)) {
    if (!std::filesystem::is_directory(folder, error)) {
      throw InputError(fmt::format("{}: is no folder", folder));
    }
    if (std::filesystem::exists(folder + "/" + kManifest, error)) {
      before = manifest_of(folder);
    } else if (!std::filesystem::is_empty(folder, error)) {
      throw InputError(fmt::format("{}: is not empty, and no export; name a new folder", folder));
    }
  }
  for (const auto& [name, hash] : before) {
    const auto text = text_of(folder + "/" + name);
    if (text && hash_of(*text) != hash) {
      throw InputError(fmt::format(
          "{}/{}: was changed since it was exported, and would be lost; export to another folder", folder, name));
    }
  }
  for (const auto& [name, text] : package.files) {
    if (!before.contains(name) && name != kManifest && std::filesystem::exists(folder + "/" + name, error)) {
      throw InputError(fmt::format("{}/{}: is no part of the export there, and would be lost; export to another folder",
                                   folder, name));
    }
  }
  write_files(folder, package.files);
  for (const auto& [name, hash] : before) {
    if (!package.files.contains(name)) {
      std::filesystem::remove(folder + "/" + name, error);
    }
  }
}

std::vector<std::string> drift_of(const Recipe& recipe, const std::string& folder) {
  const auto before = manifest_of(folder);
  const std::string path = folder + "/" + kEvidence;
  ExportOptions options;
  try {
    const auto json = parse_json(read_small_file(path, size_t{64} << 20), kDeepestManifest);
    options.kernels = json.at("options").at("kernels").get<std::string>();
    options.set.within = json.at("options").at("within").get<double>();
    options.set.generators = json.at("options").at("generators").get<bool>();
    options.single_file = json.at("options").at("single_file").get<bool>();
    options.set.any_code = true;
  } catch (const nlohmann::json::exception& e) {
    throw InputError(fmt::format("{}: {}; export again", path, one_line(e.what(), 300)));
  }
  const Package package = make_package(recipe, read_fleet(folder + "/fleet.json"), options);
  std::vector<std::string> different;
  for (const auto& [name, text] : package.files) {
    if (text_of(folder + "/" + name) != text) {
      different.push_back(name);
    }
  }
  for (const auto& [name, hash] : before) {
    if (!package.files.contains(name)) {
      different.push_back(name);
    }
  }
  return different;
}

}  // namespace assay
