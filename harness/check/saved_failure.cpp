#include "harness/check/saved_failure.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "harness/runtime/atomic_file.h"
#include "harness/runtime/error.h"
#include "harness/runtime/profile.h"

namespace assay {
namespace {

constexpr int kSchemaVersion = 1;

}  // namespace

std::string save_failure(const std::string& folder, const Cpu& cpu, const Verdict& failure) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    throw InputError(fmt::format("--save {}: {}; name a folder that can be written", folder, error.message()));
  }
  nlohmann::json json = to_json(failure);
  json["assay_failure"] = kSchemaVersion;
  json["case"] = failure.failing_case ? to_string(*failure.failing_case) : "";
  json["cpu"] = cpu_identity(cpu);
  json["build"] = build_id();
  std::string name =
      fmt::format("{}-{}-{:x}.json", failure.kernel, failure.variant, std::hash<std::string>{}(failure.reproduce));
  std::ranges::replace(name, '/', '-');
  const std::string path = std::filesystem::path(folder) / name;
  write_file_atomically(path, json.dump(2) + "\n");
  return path;
}

CaseId read_failure(const std::string& path) {
  std::error_code error;
  constexpr uintmax_t kLargest = 1 << 20;
  const uintmax_t size = std::filesystem::file_size(path, error);
  if (error || size > kLargest) {
    throw InputError(fmt::format("{}: {}; expected a file that `assay check --save FOLDER` wrote", path,
                                 error ? error.message() : "it is over 1 MiB"));
  }
  std::ifstream file(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("assay_failure") || json["assay_failure"] != kSchemaVersion ||
      !json.contains("case") || !json["case"].is_string() || json["case"].get<std::string>().empty()) {
    throw InputError(
        fmt::format("{}: it holds no case to replay; expected a file that `assay check --save FOLDER` wrote", path));
  }
  return case_from(json["case"].get<std::string>());
}

}  // namespace assay
