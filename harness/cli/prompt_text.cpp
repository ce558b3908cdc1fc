#include "harness/cli/prompt_text.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "harness/runtime/atomic_file.h"
#include "harness/runtime/error.h"
#include "harness/runtime/text.h"

namespace assay {
namespace {

constexpr size_t kLargestPrompt = size_t{64} << 20;

std::string read_stdin() {
  std::string text;
  for (char part[65536];;) {
    const ssize_t n = ::read(STDIN_FILENO, part, sizeof part);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0) {
      throw InputError(
          fmt::format("stdin cannot be read: {}; give the prompt with -p, or -f FILE", std::strerror(errno)));
    }
    if (n == 0) {
      return text;
    }
    text.append(part, static_cast<size_t>(n));
    if (text.size() > kLargestPrompt) {
      throw InputError(
          fmt::format("stdin has more than {} bytes, the most that a prompt may have: give less", kLargestPrompt));
    }
  }
}

}  // namespace

std::string read_prompt(const std::string& path) {
  const bool is_stdin = path == "-";
  std::string text = is_stdin ? read_stdin() : read_small_file(path, kLargestPrompt);
  if (text.ends_with('\n')) {
    text.pop_back();
  }
  if (text.empty()) {
    throw InputError(
        fmt::format("{}: the prompt is empty: give the text to continue", is_stdin ? "stdin" : one_line(path, 4096)));
  }
  return text;
}

}  // namespace assay
