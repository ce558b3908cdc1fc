#include "harness/cli/emulate.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <vector>

#include "harness/cli/shipped.h"
#include "harness/runtime/error.h"
#include "harness/runtime/program_file.h"

namespace assay {
namespace {

std::vector<std::string> own_arguments() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> arguments;
  for (std::string word; std::getline(file, word, '\0');) {
    arguments.push_back(word);
  }
  return arguments;
}

/// The file itself, or those in the folder; none if it is neither.
std::vector<std::string> files_at(const std::string& path) {
  std::vector<std::string> files;
  std::error_code error;
  if (std::filesystem::is_regular_file(path, error)) {
    files.push_back(path);
  }
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
    if (entry.is_regular_file(error)) {
      files.push_back(entry.path());
    }
  }
  return files;
}

}  // namespace

void continue_on_emulated_cpu(const std::string& cpu, const std::vector<std::string>& inputs,
                              const std::vector<std::string>& outputs) {
  const std::string script = source_folder() + "/ci/emulate.sh";
  if (access(script.c_str(), X_OK) != 0) {
    throw MachineError(fmt::format("{}: {}; emulated CPUs need the source folder that this program was built from",
                                   script, std::strerror(errno)));
  }
  // A day: whoever typed the command can end it.
  std::vector<std::string> words = {script, "--timeout", "86400"};
  for (const auto& input : inputs) {
    for (const auto& file : files_at(input)) {
      words.insert(words.end(), {"--in", file});
    }
  }
  for (const auto& output : outputs) {
    if (!output.empty()) {
      words.insert(words.end(), {"--out", output});
    }
  }
  words.insert(words.end(), {cpu, "--", program_file()});
  const auto arguments = own_arguments();
  bool timeout_given = false;
  for (size_t i = 1; i < arguments.size(); ++i) {
    if (arguments[i] == "--cpu") {
      ++i;
    } else if (!arguments[i].starts_with("--cpu=")) {
      words.push_back(arguments[i]);
      timeout_given = timeout_given || arguments[i].starts_with("--timeout");
    }
  }
  if (!timeout_given) {
    // A sample takes some 300 times longer in qemu-user than on the machine that the default is made for.
    words.insert(words.end(), {"--timeout", "3000"});
  }
  std::vector<char*> argv;
  for (auto& w : words) {
    argv.push_back(w.data());
  }
  argv.push_back(nullptr);
  execv(script.c_str(), argv.data());
  throw MachineError(fmt::format("cannot start {}: {}", script, std::strerror(errno)));
}

}  // namespace assay
