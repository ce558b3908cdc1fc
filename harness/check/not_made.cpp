#include "harness/check/not_made.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/check/single_step.h"
#include "harness/check/threads.h"
#include "harness/runtime/jit_code.h"

namespace assay {

std::vector<std::string> checks_not_made(const std::vector<Verdict>& verdicts) {
  std::vector<std::string> all;
  if (!single_step_available()) {
    all.emplace_back(
        "calls that are interrupted, re-entered and interleaved, and the ISA of each instruction: single steps raise "
        "no "
        "SIGTRAP here, or were forbidden");
  }
  if (!threads_available() || std::ranges::any_of(verdicts, &Verdict::threads_left_out)) {
    all.emplace_back("calls beside another thread: the system gives this process no other (ulimit -u, -v)");
  }
  if (const std::string why = why_mappings_tell_nothing(); !why.empty()) {
    all.push_back(fmt::format("memory that is both writable and executable: {}", why));
  }
  return all;
}

}  // namespace assay
