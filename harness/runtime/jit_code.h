#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "harness/runtime/error.h"
#include "harness/runtime/registry.h"

namespace assay {

/// What a generator is: kernels/<kernel>/kernel.h has it as <kernel>_gen.
using GenerateFn = size_t(void* code, size_t capacity, const size_t* key);
/// Memory that a generator is given: at first so much, then four times as much again and again, up to so much.
inline constexpr size_t kLeastCode = size_t{16} << 10, kMostCode = size_t{4} << 20;

/// Executable memory that holds the code generated for one key. Written first, then made executable and
/// read-only: no page is ever both (W^X). Each piece is announced in /tmp/perf-<pid>.map when ASSAY_PERF_MAP is
/// set, so that `perf report` shows it by name.
class JitCode {
 public:
  /// Throws MachineError if the generator fails at every size up to 4 MiB, or if memory cannot be mapped or made executable.
  JitCode(const Variant& variant, const Key& key);
  ~JitCode();
  JitCode(const JitCode&) = delete;
  JitCode& operator=(const JitCode&) = delete;

  AnyFn entry() const;
  size_t size() const { return size_; }
  double generation_seconds() const { return generation_seconds_; }

 private:
  void* memory_ = nullptr;
  size_t capacity_ = 0;
  size_t size_ = 0;
  double generation_seconds_ = 0;
};

/// Makes whole pages that were written executable and read-only: "", or what the system refuses.
std::string make_executable(void* memory, size_t bytes);

/// Whether memory that was written may become executable, which SELinux (execmem), seccomp filters and PR_SET_MDWE forbid: "" if it
/// may, else what was refused.
std::string why_no_executable_memory();

/// A line of /proc/self/maps: memory of this process that is both writable and executable; "" if none is, or if that cannot be
/// told here. What was so at the first call of note_mappings does not count: it is another tool's, or the system's.
std::string writable_and_executable();
void note_mappings();

/// Why that cannot be told here; "" if it can.
std::string why_mappings_tell_nothing();

}  // namespace assay
