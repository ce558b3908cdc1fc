#include "harness/runtime/profile.h"

#include <elf.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <link.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <span>

#include "harness/runtime/atomic_file.h"
#include "harness/runtime/error.h"
#include "harness/runtime/text.h"

namespace assay {
namespace {

// A profile of 80 kernels at 10 shapes is some 700 KB and 5 levels deep; JSON takes 20 times its size in memory, and copies
// and comparisons of it recurse.
constexpr size_t kLargestProfile = size_t{4} << 20;
constexpr int kDeepestProfile = 16;
constexpr size_t kLongestText = 300;

/// An InputError that names the file already.
struct BadProfile : InputError {
  using InputError::InputError;
};

int find_build_id(dl_phdr_info* info, size_t, void* out) {
  for (const auto& header : std::span(info->dlpi_phdr, info->dlpi_phnum)) {
    if (header.p_type != PT_NOTE) {
      continue;
    }
    const auto* note = reinterpret_cast<const uint8_t*>(info->dlpi_addr + header.p_vaddr);
    const auto* end = note + header.p_memsz;
    const auto padded = [](size_t n) { return (n + 3) / 4 * 4; };
    while (note + sizeof(ElfW(Nhdr)) <= end) {
      ElfW(Nhdr) n;
      std::memcpy(&n, note, sizeof n);
      const uint8_t* name = note + sizeof n;
      const uint8_t* descriptor = name + padded(n.n_namesz);
      if (n.n_type == NT_GNU_BUILD_ID && n.n_namesz == 4 && std::memcmp(name, "GNU", 4) == 0) {
        auto& text = *static_cast<std::string*>(out);
        for (size_t i = 0; i < n.n_descsz; ++i) {
          text += fmt::format("{:02x}", descriptor[i]);
        }
        return 1;
      }
      note = descriptor + padded(n.n_descsz);
    }
  }
  return 1;  // only the first object: the executable
}

/// Rounded: what is beyond says nothing, and files of many profiles are large.
nlohmann::json to_json(const Ratio& r) {
  const auto rounded = [](double x) { return std::round(x * 1e4) / 1e4; };
  return {rounded(r.median), rounded(r.low), rounded(r.high)};
}

nlohmann::json to_json(const Choice& c) {
  auto ratios = nlohmann::json::object();
  for (const auto& [label, ratio] : c.ratios) {
    ratios[label] = to_json(ratio);
  }
  return {{"kernel", c.kernel}, {"class", c.label},          {"shape", c.shape},
          {"cold", c.cold},     {"variant", c.variant},      {"why", c.why},
          {"code", c.code},     {"verdict", c.verdict},      {"timing", c.timing},
          {"ratios", ratios},   {"parameters", c.parameters}};
}

/// Strings of the list `a` that the list `b` does not have.
std::vector<std::string> names_only_in(const nlohmann::json& a, const nlohmann::json& b) {
  std::vector<std::string> names;
  for (const auto& name : a.is_array() ? a : nlohmann::json::array()) {
    if (name.is_string() && (!b.is_array() || std::ranges::find(b, name) == b.end())) {
      names.push_back(name.get<std::string>());
    }
  }
  return names;
}

}  // namespace

std::string default_profile_path() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && cache[0] == '/') {
    return std::string(cache) + "/assay/profile.json";
  }
  const char* home = std::getenv("HOME");
  return std::string(home != nullptr ? home : ".") + "/.cache/assay/profile.json";
}

std::string build_id() {
  std::string id;
  dl_iterate_phdr(find_build_id, &id);
  return id.empty() ? "none" : id;
}

std::string compiler() {
#ifdef __clang__
  return "clang " __clang_version__;
#else
  return "GCC " __VERSION__;
#endif
}

nlohmann::json cpu_identity(const Cpu& cpu) { return cpu_identity(assay::to_json(cpu)); }

nlohmann::json cpu_identity(const nlohmann::json& cpu) {
  nlohmann::json identity;
  for (const char* field : kCpuIdentity) {
    identity[field] = cpu.is_object() && cpu.contains(field) ? cpu.at(field) : nlohmann::json();
  }
  return identity;
}

namespace {

/// Reads the parts of a profile; whatever is wrong is an error that names the file.
class ProfileReader {
 public:
  explicit ProfileReader(const std::string& path) : path_(path) {}

  BadProfile bad(const std::string& why) const {
    return BadProfile(
        fmt::format("{}: {}; make a new one with `assay tune --out {}`", path_, one_line(why, 1000), path_));
  }

  Profile read(const nlohmann::json& json) const {
    if (!json.is_object() || !json.contains("schema_version")) {
      throw bad("is no assay profile: it has no schema_version");
    }
    if (json.at("schema_version") != Profile::kSchemaVersion) {
      throw bad(fmt::format("has schema version {}, this build reads {}", json.at("schema_version").dump(),
                            Profile::kSchemaVersion));
    }
    Profile profile;
    profile.cpu = json.at("cpu");
    line(profile.cpu, "brand");
    profile.archspec = json.contains("archspec") ? line(json, "archspec") : "";
    profile.date = line(json, "date");
    profile.compiler = line(json, "compiler");
    for (const auto& [name, evidence] : json.at("evidence").items()) {
      if (name.find(':') == std::string::npos) {  // a plug-in's may not be here
        find_variant(name);
        profile.evidence[name] = read_evidence(name, evidence);
      }
    }
    if (!json.at("choices").is_array()) {
      throw bad("its choices are no array");
    }
    for (const auto& choice : json.at("choices")) {
      read_choice(choice, profile);
    }
    return profile;
  }

 private:
  /// Text for people, which is printed.
  std::string line(const nlohmann::json& object, const char* field) const {
    const auto& value = object.at(field).get_ref<const std::string&>();
    if (one_line(value, kLongestText) != value) {
      throw bad(fmt::format("the {} {} is no line of at most {} bytes of text", field, quote(value), kLongestText));
    }
    return value;
  }

  uint64_t count(const nlohmann::json& value, const char* what) const {
    if (!value.is_number_unsigned()) {
      throw bad(fmt::format("{} {} is no whole number in [0, 2^64)", what, value.dump()));
    }
    return value.get<uint64_t>();
  }

  nlohmann::json passing(const nlohmann::json& verdict, const std::string& variant) const {
    const bool passed = verdict.at("status") == "pass" || verdict.at("status") == "claimed";
    if (!passed || count(verdict.at("samples"), "the number of samples") == 0) {
      throw bad(fmt::format("{} is chosen or timed without a passing verdict", variant));
    }
    return verdict;
  }

  Evidence read_evidence(const std::string& variant, const nlohmann::json& json) const {
    Evidence evidence;
    evidence.code = line(json, "code");
    const uint64_t contract = count(json.at("contract"), "the version of the contract");
    if (contract > std::numeric_limits<unsigned>::max()) {
      throw bad(fmt::format("{} keeps version {} of its contract", variant, contract));
    }
    evidence.contract = static_cast<unsigned>(contract);
    evidence.verdict = passing(json.at("verdict"), variant);
    return evidence;
  }

  Ratio read_ratio(const std::string& label, const nlohmann::json& json) const {
    if (!json.is_array() || json.size() != 3) {
      throw bad(fmt::format("the ratios of {} are no three numbers", quote(label)));
    }
    const Ratio ratio{json[0].get<double>(), json[1].get<double>(), json[2].get<double>()};
    if (!ratio.is_possible()) {
      throw bad(fmt::format("the ratios of {}, {}, are no median and interval", quote(label), json.dump()));
    }
    return ratio;
  }

  void read_choice(const nlohmann::json& c, Profile& profile) const {
    Choice choice;
    choice.kernel = line(c, "kernel");
    choice.label = line(c, "class");
    choice.variant = line(c, "variant");
    choice.cold = c.at("cold").get<bool>();
    choice.why = line(c, "why");
    choice.code = line(c, "code");
    choice.timing = c.at("timing");
    const Kernel& kernel = find_kernel(choice.kernel);
    if (choice.variant.find(':') != std::string::npos && kernel.find(choice.variant) == nullptr) {
      profile.missing.insert(choice.kernel + "/" + choice.variant);
      return;
    }
    const Variant& variant = find_variant(choice.kernel + "/" + choice.variant);
    for (const auto& size : c.at("shape")) {
      choice.shape.push_back(count(size, "a size of the shape"));
    }
    for (const auto& value : c.at("parameters")) {
      choice.parameters.push_back(count(value, "a parameter"));
    }
    with_parameters(variant, choice.parameters);
    if (choice.shape.size() != kernel.dims().size()) {
      throw bad(fmt::format("the shape of {} {} has {} sizes, not {}", choice.kernel, choice.label, choice.shape.size(),
                            kernel.dims().size()));
    }
    choice.verdict = passing(c.at("verdict"), choice.kernel + "/" + choice.variant);
    for (const auto& [label, ratio] : c.at("ratios").items()) {
      if (label.find(':') != std::string::npos) {
        continue;  // a plug-in's
      }
      const std::string usual(without_parameters(label));
      if (kernel.find(usual) == nullptr || !profile.evidence.contains(choice.kernel + "/" + usual)) {
        throw bad(fmt::format("it has ratios of {}/{}, but no evidence of it", choice.kernel, quote(label)));
      }
      if (usual != label) {
        find_variant(choice.kernel + "/" + label);  // its parameters
      }
      choice.ratios[label] = read_ratio(label, ratio);
    }
    profile.choices.push_back(std::move(choice));
  }

  const std::string& path_;
};

}  // namespace

Profile profile_of_json(const std::string& path, const nlohmann::json& json) {
  const ProfileReader reader(path);
  try {
    return reader.read(json);
  } catch (const nlohmann::json::exception& e) {
    throw reader.bad(e.what());
  } catch (const BadProfile&) {
    throw;
  } catch (const InputError& e) {  // an unknown kernel or variant
    throw reader.bad(e.what());
  }
}

Profile parse_profile(const std::string& path, std::string_view text) {
  nlohmann::json json;
  try {
    json = parse_json(text, kDeepestProfile);
  } catch (const nlohmann::json::exception& e) {
    throw ProfileReader(path).bad(e.what());
  } catch (const InputError& e) {
    throw ProfileReader(path).bad(e.what());
  }
  return profile_of_json(path, json);
}

Profile read_profile(const std::string& path) { return parse_profile(path, read_small_file(path, kLargestProfile)); }

nlohmann::json to_json(const Profile& profile) {
  auto choices = nlohmann::json::array();
  for (const auto& c : profile.choices) {
    choices.push_back(to_json(c));
  }
  auto evidence = nlohmann::json::object();
  for (const auto& [name, e] : profile.evidence) {
    evidence[name] = {{"code", e.code}, {"contract", e.contract}, {"verdict", e.verdict}};
  }
  return {{"schema_version", Profile::kSchemaVersion},
          {"cpu", profile.cpu},
          {"archspec", profile.archspec},
          {"date", profile.date},
          {"compiler", profile.compiler},
          {"evidence", evidence},
          {"choices", choices}};
}

std::string profile_text(const Profile& profile) {
  // A choice a line: indented whole, a profile would be thrice as long.
  const nlohmann::json json = to_json(profile);
  std::string text = "{\n";
  for (const auto& [key, value] : json.items()) {
    text += fmt::format("{}{}: ", text.size() > 2 ? ",\n" : "", nlohmann::json(key).dump());
    if (key == "choices") {
      text += "[";
      for (const auto& choice : value) {
        text += fmt::format("{}\n {}", &choice == &value.front() ? "" : ",", choice.dump());
      }
      text += "\n]";
    } else {
      text += value.dump();
    }
  }
  return text + "\n}\n";
}

void write_profile(const std::string& path, const Profile& profile) {
  write_file_atomically(path, profile_text(profile));
}

std::string refusal(const Profile& profile, const Cpu& cpu) {
  const nlohmann::json here = cpu_identity(cpu);
  if (profile.cpu == here) {
    return "";
  }
  // A virtual machine may hide features of a CPU, and call it the same: what differs is said.
  std::vector<std::string> differences;
  for (const auto& [key, value] : here.items()) {
    const nlohmann::json there = profile.cpu.value(key, nlohmann::json());
    if (there == value) {
      continue;
    }
    if (!value.is_array()) {
      differences.push_back(fmt::format("its {} is {}, here {}", key, there.dump(), value.dump()));
      continue;
    }
    if (const auto more = names_only_in(there, value); !more.empty()) {
      differences.push_back(fmt::format("it has {}, which are missing here", fmt::join(more, ", ")));
    }
    if (const auto fewer = names_only_in(value, there); !fewer.empty()) {
      differences.push_back(fmt::format("it lacks {}, which are here", fmt::join(fewer, ", ")));
    }
  }
  if (differences.empty()) {
    differences.emplace_back("what it says of its CPU is written in another way");
  }
  constexpr size_t kMost = 400;  // the file may say anything
  return one_line(fmt::format("it was measured on another CPU: {}", fmt::join(differences, "; ")), kMost);
}

}  // namespace assay
