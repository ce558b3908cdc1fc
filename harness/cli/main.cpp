#include <unistd.h>

#include <cstdio>

#include "harness/cli/command_line.h"
#include "harness/cli/supervised.h"
#include "harness/runtime/plugin.h"

int main(int argc, char** argv) {
  const int status = assay::run_command_line(argc, argv);
  std::fflush(nullptr);
  assay::finish_supervised(status);
  if (assay::plugin_was_loaded()) {
    _exit(status);  // without the destructors of a library that may crash in them
  }
  return status;
}
