#pragma once
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace assay {

/// Lines of a conversation, from a terminal or from a script. A line that ends in a backslash goes on in the next one.
class LineReader {
 public:
  /// `path`: a script; none: stdin. Throws InputError naming what cannot be opened.
  explicit LineReader(const std::optional<std::string>& path);

  /// Somebody types: there is a prompt, and the lines typed before come back with the arrow keys.
  bool is_terminal() const { return is_terminal_; }
  /// Of the line that came last; the first is 1.
  size_t number() const { return number_; }
  /// What a message calls it.
  const std::string& name() const { return name_; }

  /// Nothing at the end. Throws InputError for what cannot be read, and a line over 1 MiB.
  std::optional<std::string> next();

 private:
  std::optional<std::string> read_line(const char* prompt);

  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> opened_;
  std::FILE* file_;
  std::string name_ = "stdin";
  bool is_terminal_ = false;
  size_t number_ = 0;
  std::vector<std::string> history_;
};

}  // namespace assay
