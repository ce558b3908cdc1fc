#include "harness/runtime/program_file.h"

#include <link.h>
#include <sys/auxv.h>

#include <filesystem>
#include <span>
#include <system_error>

namespace assay {
namespace {

int find_loader(dl_phdr_info* info, size_t, void* found) {
  for (const auto& header : std::span(info->dlpi_phdr, info->dlpi_phnum)) {
    *static_cast<bool*>(found) |= header.p_type == PT_INTERP;
  }
  return 1;  // only the first object: the executable
}

}  // namespace

bool is_static_program() {
  bool has_loader = false;
  dl_iterate_phdr(find_loader, &has_loader);
  return !has_loader;
}

std::string program_file() {
  std::error_code error;
  // Started by hand (`ld-linux-x86-64.so.2 PROGRAM`, as what ci/bundle.sh makes does) the loader is the process's executable, and
  // the kernel tells it no base. It then writes the program's name where the kernel had put its own.
  const bool started_by_loader = !is_static_program() && getauxval(AT_BASE) == 0;
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
