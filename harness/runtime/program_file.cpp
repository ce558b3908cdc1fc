#include "harness/runtime/program_file.h"

#include <sys/auxv.h>

#include <filesystem>
#include <system_error>

namespace assay {
std::string program_file() {
  std::error_code error;
  // Started by hand (`ld-linux-x86-64.so.2 PROGRAM`, as what ci/bundle.sh makes does) the loader is the process's executable, and
  // the kernel tells it no base. It then writes the program's name where the kernel had put its own.
  const bool started_by_loader = getauxval(AT_BASE) == 0;
  if (!started_by_loader) {
    const auto file = std::filesystem::read_symlink("/proc/self/exe", error);
    if (!error) {
      return file;
    }
  }
  const auto* name = reinterpret_cast<const char*>(getauxval(AT_EXECFN));
  const auto file = std::filesystem::canonical(name == nullptr ? "" : name, error);
  return error ? "" : file.string();
}

}  // namespace assay
