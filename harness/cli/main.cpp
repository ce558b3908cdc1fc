#include <unistd.h>

#include <cstdio>

#include "harness/cli/command_line.h"
#include "harness/runtime/plugin.h"

int main(int argc, char** argv) {
  const int status = assay::run_command_line(argc, argv);
  if (assay::plugin_was_loaded()) {
    std::fflush(nullptr);
    _exit(status);  // without the destructors of a library that may crash in them
  }
  return status;
}
