#include "harness/cli/line_reader.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "harness/cli/line_editor.h"
#include "harness/runtime/error.h"
#include "harness/runtime/text.h"

namespace assay {
namespace {

constexpr size_t kMaxLineBytes = 1u << 20;

}  // namespace

LineReader::LineReader(const std::optional<std::string>& path) : file_(stdin) {
  if (!path) {
    is_terminal_ = isatty(STDIN_FILENO) == 1;
    return;
  }
  name_ = one_line(*path, 4096);
  opened_.reset(std::fopen(path->c_str(), "rb"));
  if (!opened_) {
    throw InputError(fmt::format("cannot read {}: {}; give a file that has a question a line with --file", name_,
                                 std::strerror(errno)));
  }
  file_ = opened_.get();
}

std::optional<std::string> LineReader::read_line(const char* prompt) {
  if (is_terminal_ && can_edit_lines()) {
    return edit_line(prompt, history_);
  }
  if (is_terminal_) {
    fmt::print(stderr, "{}", prompt);
  }
  std::string line;
  int c = 0;
  while ((c = std::getc(file_)) != EOF && c != '\n') {
    line += static_cast<char>(c);
    if (line.size() > kMaxLineBytes) {
      throw InputError(
          fmt::format("{}: line {} is longer than {} bytes: shorten it", name_, number_ + 1, kMaxLineBytes));
    }
  }
  if (std::ferror(file_) != 0) {
    throw InputError(
        fmt::format("cannot read {}: {}; give a file that has a question a line", name_, std::strerror(errno)));
  }
  if (c == EOF && line.empty()) {
    return std::nullopt;
  }
  if (line.ends_with('\r')) {
    line.pop_back();
  }
  return line;
}

std::optional<std::string> LineReader::next() {
  std::string whole;
  bool goes_on = false;
  do {
    const std::optional<std::string> line = read_line(goes_on ? "| " : "> ");
    if (!line) {
      return goes_on ? std::optional(whole) : std::nullopt;
    }
    ++number_;
    goes_on = line->ends_with('\\');
    whole += goes_on ? line->substr(0, line->size() - 1) + "\n" : *line;
    if (whole.size() > kMaxLineBytes) {
      throw InputError(fmt::format("{}: the lines up to line {} are one of over {} bytes: shorten it", name_, number_,
                                   kMaxLineBytes));
    }
  } while (goes_on);
  return whole;
}

}  // namespace assay
