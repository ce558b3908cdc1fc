#include "harness/export/single_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <regex>
#include <set>
#include <sstream>

#include "harness/export/build_files.h"
#include "harness/runtime/error.h"
#include "harness/runtime/isa.h"
#include "harness/runtime/text.h"

namespace assay {
namespace {

/// Puts what is included in its place.
class Inliner {
 public:
  Inliner(const Recipe& recipe, std::set<std::string>& system, std::set<std::string> seen)
      : recipe_(recipe), system_(system), seen_(std::move(seen)) {}

  /// `names`: what macros in #include stand for.
  std::string expand(const std::string& text, const std::map<std::string, std::string>& names = {}) {
    static const std::regex include(R"(^\s*#\s*include\s+(\S+).*)", std::regex::optimize);
    std::string expanded;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      std::smatch match;
      if (line.starts_with("#pragma once") || line.starts_with("#define _GNU_SOURCE")) {
        continue;
      }
      if (!std::regex_match(line, match, include)) {
        expanded += line + "\n";
        continue;
      }
      std::string name = match[1];
      if (const auto it = names.find(name); it != names.end()) {
        name = it->second;
      }
      if (name.starts_with("<")) {
        system_.insert(name);
      } else if (name.starts_with("\"")) {
        name = name.substr(1, name.size() - 2);
        if (seen_.insert(name).second) {
          expanded += expand(recipe_.read(name.starts_with("assay/") ? fmt::format("include/{}", name) : name), names);
        }
      }  // else a macro that nobody defines: its branch is left out
    }
    return expanded;
  }

  const std::set<std::string>& seen() const { return seen_; }

 private:
  const Recipe& recipe_;
  std::set<std::string>& system_;
  std::set<std::string> seen_;
};

/// Warnings that the units' headers would cause, of which each takes what it needs; about vectors that static functions pass on; and of GCC 12
/// about its own intrinsics (GCC bug 105593).
constexpr const char* kDiagnostics =
    "#pragma GCC diagnostic ignored \"-Wunused-function\"\n"
    "#pragma GCC diagnostic ignored \"-Wunknown-pragmas\"\n"
    "#ifdef __clang__\n"
    "#pragma clang diagnostic ignored \"-Wunused-const-variable\"\n"
    "#else\n"
    "#pragma GCC diagnostic ignored \"-Wpsabi\"\n"
    "#pragma GCC diagnostic ignored \"-Wuninitialized\"\n"
    "#pragma GCC diagnostic ignored \"-Wmaybe-uninitialized\"\n"
    "#endif\n";

/// As the attribute `target` of GCC and clang names a feature; "" for what no code is generated with.
std::string target_of(const std::string& feature) {
  static const std::map<std::string, std::string> other = {{"sse4_1", "sse4.1"},
                                                           {"sse4_2", "sse4.2"},
                                                           {"lahf", "sahf"},
                                                           {"bmi1", "bmi"},
                                                           {"avx_vnni", "avxvnni"},
                                                           {"avx512_vnni", "avx512vnni"},
                                                           {"avx512_bf16", "avx512bf16"},
                                                           {"osxsave", ""}};
  const auto it = other.find(feature);
  return it == other.end() ? feature : it->second;
}

/// The pragmas before and behind code of a unit.
std::pair<std::string, std::string> pragmas_of(const Unit& unit) {
  std::vector<std::string> targets;
  for (const std::string& feature : unit.isa.empty() ? std::vector<std::string>() : find_isa(unit.isa).features) {
    if (!target_of(feature).empty()) {
      targets.push_back(target_of(feature));
    }
  }
  const bool contracts = std::ranges::find(unit.options, "-ffp-contract=off") != unit.options.end();
  std::string before, behind;
  if (contracts) {
    before +=
        "#if defined(__clang__)\n#pragma clang fp contract(off)\n#else\n#pragma GCC push_options\n#pragma GCC "
        "optimize(\"fp-contract=off\")\n#endif\n";
    behind = "#if defined(__clang__)\n#pragma clang fp contract(on)\n#else\n#pragma GCC pop_options\n#endif\n";
  }
  if (!targets.empty()) {
    before += fmt::format(
        "#if defined(__clang__)\n#pragma clang attribute push(__attribute__((target(\"{0}\"))), apply_to = "
        "function)\n#else\n"
        "#pragma GCC push_options\n#pragma GCC target(\"{0}\")\n#endif\n",
        fmt::join(targets, ","));
    behind = fmt::format(
        "#if defined(__clang__)\n#pragma clang attribute pop\n#else\n#pragma GCC pop_options\n#endif\n{}", behind);
  }
  return {before, behind};
}

/// Macros that a text defines: they must not reach the next unit.
std::string undefine(const std::string& text) {
  static const std::regex define(R"((^|\n)\s*#\s*define\s+(\w+))", std::regex::optimize);
  std::set<std::string> names;
  for (std::sregex_iterator it(text.begin(), text.end(), define), end; it != end; ++it) {
    names.insert((*it)[2]);
  }
  std::string all;
  for (const std::string& name : names) {
    all += fmt::format("#undef {}\n", name);
  }
  return all;
}

/// One file of a unit, in a namespace of its own.
std::string file_text(const Recipe& recipe, const Unit& unit, const std::string& file, size_t number,
                      const std::set<std::string>& seen, std::set<std::string>& system) {
  std::map<std::string, std::string> names;
  std::string defines;
  for (const std::string& define : unit.defines) {
    const size_t equals = define.find('=');
    const std::string name = define.substr(0, equals),
                      value = equals == std::string::npos ? "1" : define.substr(equals + 1);
    defines += fmt::format("#define {} {}\n", name, value);
    names[name] = value;
  }
  // A constant of C is seen from elsewhere, one of C++ only if it was declared so.
  const std::string stem = file.substr(8, file.rfind('/') - 8);
  const std::string contract =
      file.ends_with("/contract.c") ? fmt::format("extern const struct assay_contract {}_contract;\n", stem) : "";
  const std::string text = defines + contract + Inliner(recipe, system, seen).expand(recipe.read(file), names);
  const bool c = unit.isa.empty();
  return fmt::format("\n/* ---- {}{} ---- */\n{}namespace assay_unit_{} {{\n{}}}  // namespace\n{}{}", file,
                     unit.isa.empty() ? "" : fmt::format(", for {}", unit.isa), c ? "extern \"C\" {\n" : "", number,
                     text, c ? "}\n" : "", undefine(text));
}

}  // namespace

std::map<std::string, std::string> single_file(const Recipe& recipe, const Contents& contents, const Fleet& fleet) {
  std::set<std::string> of_header, of_source;
  Inliner header_inliner(recipe, of_header, {"assay/kernels.h"});
  const std::string header = header_inliner.expand(interface_header(recipe, contents));
  std::string units;
  size_t number = 0;
  for (const Unit& unit : units_of(recipe, contents)) {
    const auto [before, behind] = pragmas_of(unit);
    units += before;
    for (const std::string& file : unit.files) {
      if (file.ends_with(".asm")) {
        throw InputError(fmt::format(
            "{} is in assembly, which one file of C++ cannot hold: export a folder, or take more with --within", file));
      }
      units += file_text(recipe, unit, file, ++number, header_inliner.seen(), of_source);
    }
    units += behind;
  }
  std::set<std::string> seen = header_inliner.seen();
  seen.insert("dispatch.h");
  Inliner inliner(recipe, of_source, seen);
  std::string dispatcher = inliner.expand(recipe.read("harness/export/package/dispatch.h"));
  for (const char* name : {"dispatch.c", "generate.c"}) {
    if (name != std::string("generate.c") || contents.has_generators()) {
      dispatcher += inliner.expand(recipe.read(std::string("harness/export/package/") + name));
    }
  }
  dispatcher += inliner.expand(interface_source(recipe, contents, &fleet));
  const auto includes = [](const std::set<std::string>& names) {
    std::string text;
    for (const std::string& name : names) {
      text += fmt::format("#include {}\n", name);
    }
    return text;
  };
  return {{"assay_kernels.h", fmt::format("#pragma once\n{}\n{}", includes(of_header), header)},
          {"assay_kernels.cpp",
           fmt::format("// Kernels chosen by measurement, in one file of C++20 for GCC or clang: written by `assay "
                       "export --format header`. Compile it with\n"
                       "// -O2 -fno-math-errno -fno-trapping-math, and never with -ffast-math.\n#ifdef __FAST_MATH__\n"
                       "#error the error bounds of the kernels do not hold with -ffast-math\n#endif\n#ifndef "
                       "_GNU_SOURCE\n#define _GNU_SOURCE\n#endif\n"
                       "{}{}\n#include \"assay_kernels.h\"\n\n#define _Static_assert static_assert\n{}#undef "
                       "_Static_assert\n\nextern \"C\" {{\n{}}}\n",
                       kDiagnostics, includes(of_source), units, dispatcher)}};
}

}  // namespace assay
