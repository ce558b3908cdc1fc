#include "harness/export/recipe.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "harness/runtime/error.h"
#include "harness/runtime/program_file.h"

namespace assay {
namespace {

std::string read_whole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  if (!in) {
    throw MachineError(
        fmt::format("{} cannot be read: an export needs the sources that this program was built from", path));
  }
  return std::move(text).str();
}

/// The text without its comments.
std::string code_of(const std::string& text) {
  static const std::regex comment(R"(//[^\n]*|/\*([^*]|\*[^/])*\*+/)", std::regex::optimize);
  return std::regex_replace(text, comment, "");
}

std::string trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \n\t"), end = text.find_last_not_of(" \n\t");
  return begin == std::string::npos ? "" : text.substr(begin, end + 1 - begin);
}

}  // namespace

Recipe Recipe::load() {
  Recipe recipe;
  std::error_code error;
  const auto installed = std::filesystem::path(program_file()).parent_path().parent_path() / "share/assay/source";
  std::string file = ASSAY_BINARY_DIR "/generated/recipe.json";
  recipe.root_ = ASSAY_SOURCE_DIR;
  if (std::filesystem::exists(installed / "recipe.json", error)) {
    recipe.root_ = installed.string();
    file = installed / "recipe.json";
  }
  const auto json = nlohmann::json::parse(read_whole(file));
  recipe.flags_ = json.at("variant_flags").get<std::vector<std::string>>();
  recipe.flags_of_isa_ = json.at("isas").get<std::map<std::string, std::vector<std::string>>>();
  for (const auto& [name, u] : json.at("units").items()) {
    recipe.units_[name] = {name, u.at("isa").get<std::string>(), u.at("files").get<std::vector<std::string>>(),
                           u.at("defines").get<std::vector<std::string>>(),
                           u.at("options").get<std::vector<std::string>>()};
  }
  for (const auto& [name, k] : json.at("kernels").items()) {
    recipe.kernels_[name] = {k.at("header").get<std::string>(), k.at("format").get<std::string>(),
                             k.at("unit").get<std::string>()};
  }
  for (const auto& [name, v] : json.at("variants").items()) {
    recipe.variants_[name] = {v.at("unit").get<std::string>(), v.at("file").get<std::string>(),
                              v.at("symbol").get<std::string>(), v.at("pack").get<std::string>(),
                              v.at("unit_of_pack").get<std::string>()};
  }
  return recipe;
}

std::string Recipe::read(const std::string& path) const { return read_whole(root_ + "/" + path); }

const Unit& Recipe::unit(const std::string& name) const { return units_.at(name); }

std::set<std::string> Recipe::with_includes(const std::set<std::string>& files) const {
  static const std::regex include(R"re([#%]\s*include\s+"((kernels|assay)/[^"]+)")re", std::regex::optimize);
  std::set<std::string> all;
  std::vector<std::string> left(files.begin(), files.end());
  while (!left.empty()) {
    const std::string file = left.back();
    left.pop_back();
    if (!all.insert(file).second) {
      continue;
    }
    const std::string text = read(file);
    for (std::sregex_iterator it(text.begin(), text.end(), include), end; it != end; ++it) {
      left.push_back((*it)[2] == "assay" ? "include/" + (*it)[1].str() : (*it)[1].str());
    }
  }
  return all;
}

std::string Signature::declared() const {
  std::vector<std::string> all;
  for (const Parameter& p : parameters) {
    all.push_back(p.type + " " + p.name);
  }
  return fmt::format("{}", fmt::join(all, ", "));
}

std::string Signature::passed() const {
  std::vector<std::string> all;
  for (const Parameter& p : parameters) {
    all.push_back(p.name);
  }
  return fmt::format("{}", fmt::join(all, ", "));
}

std::string Signature::size(const std::string& dim, const std::string& header_text) const {
  for (const Parameter& p : parameters) {
    if (p.name == dim) {
      return dim;
    }
  }
  if (takes_struct() && std::regex_search(code_of(header_text), std::regex(fmt::format("[ ,]{}[,;]", dim)))) {
    return parameters[0].name + "->" + dim;
  }
  throw MachineError(
      fmt::format("{} has neither a parameter nor a field {}, which its contract names as a size", type, dim));
}

Signature signature_of(const Recipe& recipe, const std::string& header) {
  static const std::regex function(R"(typedef\s+([\w ]+?\*?)\s+(\w+_fn)\s*\(([^)]*)\)\s*;)", std::regex::optimize);
  static const std::regex parameter(R"(^(.*[ *])(\w+)$)", std::regex::optimize);
  static const std::regex include(R"re(#include "(kernels/[^"]+/kernel\.h)")re", std::regex::optimize);
  const std::string whole = recipe.read(header), text = code_of(whole);
  std::smatch match;
  if (!std::regex_search(text, match, function)) {  // that of its family
    if (std::regex_search(whole, match, include)) {
      return signature_of(recipe, match[1]);
    }
    throw MachineError(fmt::format("{} names no function type", header));
  }
  Signature signature{match[2], match[1], {}};
  std::istringstream list(match[3].str());
  for (std::string item; std::getline(list, item, ',');) {
    item = trimmed(item);
    std::smatch parts;
    if (!std::regex_search(item, parts, parameter)) {
      throw MachineError(fmt::format("{}: the parameter '{}' of {} has no name", header, item, signature.type));
    }
    signature.parameters.push_back({trimmed(parts[1]), parts[2]});
  }
  return signature;
}

}  // namespace assay
