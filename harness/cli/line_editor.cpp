#include "harness/cli/line_editor.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "harness/runtime/text.h"

namespace assay {
namespace {

constexpr int control_key(char letter) { return letter & 0x1f; }
/// Keys that come as a sequence get numbers that no byte has.
struct TypedKey {
  static constexpr int ended = -1, none = -2;
  static constexpr int up = 256, down = 257, right = 258, left = 259, home = 260, end = 261, erase = 262;
};

/// Each key as it comes, without an echo. Ctrl-C is a key, too: the program may not end before the terminal is as it was.
class RawTerminal {
 public:
  RawTerminal() {
    tcgetattr(STDIN_FILENO, &before_);
    termios raw = before_;
    raw.c_iflag &= ~static_cast<tcflag_t>(ICRNL | IXON);
    raw.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON | IEXTEN | ISIG);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
  }
  ~RawTerminal() { tcsetattr(STDIN_FILENO, TCSADRAIN, &before_); }
  RawTerminal(const RawTerminal&) = delete;

 private:
  termios before_{};
};

int next_byte() {
  unsigned char byte = 0;
  return ::read(STDIN_FILENO, &byte, 1) == 1 ? int{byte} : TypedKey::ended;
}

bool key_waits() {
  pollfd in{STDIN_FILENO, POLLIN, 0};
  return poll(&in, 1, 0) == 1;
}

/// What follows an escape: "[A", "OA", "[3~".
int escaped_key() {
  const int kind = next_byte();
  if (kind != '[' && kind != 'O') {
    return kind == TypedKey::ended ? TypedKey::ended : TypedKey::none;
  }
  int number = 0;
  int c = next_byte();
  for (; (c >= '0' && c <= '9') || c == ';'; c = next_byte()) {
    number = c == ';' ? -1 : number * (number < 0 || number > 99 ? 0 : 10) + (c - '0');
  }
  switch (c) {
    case TypedKey::ended:
      return TypedKey::ended;
    case 'A':
      return TypedKey::up;
    case 'B':
      return TypedKey::down;
    case 'C':
      return TypedKey::right;
    case 'D':
      return TypedKey::left;
    case 'H':
      return TypedKey::home;
    case 'F':
      return TypedKey::end;
    case '~':
      return number == 1 || number == 7   ? TypedKey::home
             : number == 4 || number == 8 ? TypedKey::end
             : number == 3                ? TypedKey::erase
                                          : TypedKey::none;
    default:
      return TypedKey::none;
  }
}

/// Columns of a terminal that a character takes: two for those of East Asia (Unicode's annex 11, its large blocks), none for marks.
size_t columns_of(std::string_view character) {
  const uint32_t code = first_character(character).code;
  const auto between = [&](uint32_t first, uint32_t last) { return code >= first && code <= last; };
  if (between(0x300, 0x36f) || between(0x200b, 0x200f) || between(0xfe00, 0xfe0f)) {
    return 0;
  }
  const bool is_wide = between(0x1100, 0x115f) || between(0x2e80, 0xa4cf) || between(0xac00, 0xd7a3) ||
                       between(0xf900, 0xfaff) || between(0xfe30, 0xfe6f) || between(0xff00, 0xff60) ||
                       between(0xffe0, 0xffe6) || between(0x1f300, 0x1faff) || between(0x20000, 0x3fffd);
  return is_wide ? 2 : 1;
}

/// A line in characters, and where the next one goes.
class EditedLine {
 public:
  explicit EditedLine(const std::string& prompt) : prompt_(prompt) {}

  std::string text() const { return joined(text_.size()); }

  void set(std::string_view text) {
    text_.clear();
    for (size_t length = 0; !text.empty(); text.remove_prefix(length)) {
      length = std::max<size_t>(first_character(text).length, 1);
      text_.emplace_back(text.substr(0, length));
    }
    move_to(text_.size());
  }
  void insert(const std::string& character) {
    text_.insert(text_.begin() + static_cast<std::ptrdiff_t>(cursor_), character);
    move_to(cursor_ + 1);
  }
  /// The character that begins at place `at`.
  void erase(size_t at) {
    if (at < text_.size()) {
      text_.erase(text_.begin() + static_cast<std::ptrdiff_t>(at));
      move_to(at);
    }
  }
  void move_to(size_t place) { cursor_ = std::min(place, text_.size()); }
  size_t cursor() const { return cursor_; }
  size_t size() const { return text_.size(); }

  /// From where the prompt begins, which may be some rows up.
  void draw() {
    winsize window{};
    const bool is_known = ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0;
    const size_t width = is_known ? window.ws_col : 80;
    std::string out = row_ > 0 ? fmt::format("\x1b[{}A", row_) : "";
    out += fmt::format("\r\x1b[J{}{}", prompt_, text());
    const size_t all = columns(text_.size());
    if (all % width == 0) {
      out += "\r\n";  // a terminal waits at the end of a row for what comes next
    }
    row_ = columns(cursor_) / width;
    if (const size_t up = all / width - row_; up > 0) {
      out += fmt::format("\x1b[{}A", up);
    }
    out += fmt::format("\r{}", columns(cursor_) % width > 0 ? fmt::format("\x1b[{}C", columns(cursor_) % width) : "");
    std::fwrite(out.data(), 1, out.size(), stderr);
    std::fflush(stderr);
  }

 private:
  std::string joined(size_t characters) const {
    std::string all;
    for (size_t i = 0; i < characters; ++i) {
      all += text_[i];
    }
    return all;
  }
  size_t columns(size_t characters) const {
    size_t n = prompt_.size();
    for (size_t i = 0; i < characters; ++i) {
      n += columns_of(text_[i]);
    }
    return n;
  }

  std::string prompt_;
  std::vector<std::string> text_;
  size_t cursor_ = 0;
  size_t row_ = 0;  ///< of the cursor, under that of the prompt
};

/// A whole character from its first byte on; empty for a byte that begins none.
std::string read_character(int byte) {
  std::string character(1, static_cast<char>(byte));
  const size_t length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
  while (character.size() < length) {
    const int next = next_byte();
    if (next == TypedKey::ended) {
      return "";
    }
    character += static_cast<char>(next);
  }
  return first_character(character).length == character.size() ? character : "";
}

/// Keys that change or move through the line.
void edit(EditedLine& line, int key) {
  if (key == TypedKey::left && line.cursor() > 0) {
    line.move_to(line.cursor() - 1);
  } else if (key == TypedKey::right) {
    line.move_to(line.cursor() + 1);
  } else if (key == TypedKey::home || key == control_key('a')) {
    line.move_to(0);
  } else if (key == TypedKey::end || key == control_key('e')) {
    line.move_to(line.size());
  } else if ((key == 0x7f || key == control_key('h')) && line.cursor() > 0) {
    line.erase(line.cursor() - 1);
  } else if (key == TypedKey::erase || key == control_key('d')) {
    line.erase(line.cursor());
  } else if (key == control_key('u')) {
    line.set("");
  } else if (key >= ' ' && key < 256 && key != 0x7f) {
    if (const std::string character = read_character(key); !character.empty()) {
      line.insert(character);
    }
  }
}

}  // namespace

bool can_edit_lines() {
  const char* terminal = std::getenv("TERM");
  return isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1 && terminal != nullptr &&
         std::string_view(terminal) != "dumb" && *terminal != '\0';
}

std::optional<std::string> edit_line(const std::string& prompt, std::vector<std::string>& history) {
  std::optional<RawTerminal> raw(std::in_place);
  EditedLine line(prompt);
  size_t place = history.size();  // of the line shown; behind the last: what is being typed
  std::string typed;
  const auto go_to = [&](size_t to) {
    if (place == history.size()) {
      typed = line.text();
    }
    place = to;
    line.set(place == history.size() ? typed : history[place]);
  };
  while (true) {
    if (!key_waits()) {  // text that is pasted is drawn once
      line.draw();
    }
    int key = next_byte();
    key = key == 0x1b ? escaped_key() : key;
    if (key == '\r' || key == '\n') {
      break;
    }
    if (key == TypedKey::ended || (key == control_key('d') && line.size() == 0)) {
      return std::nullopt;
    }
    if (key == control_key('c')) {
      raw.reset();
      std::fputs("\n", stderr);
      raise(SIGINT);
      return std::nullopt;  // where the parent has it ignored
    }
    if (key == TypedKey::up && place > 0) {
      go_to(place - 1);
    } else if (key == TypedKey::down && place < history.size()) {
      go_to(place + 1);
    } else {
      edit(line, key);
    }
  }
  line.move_to(line.size());
  line.draw();
  std::fputs("\r\n", stderr);
  if (line.size() > 0) {
    history.push_back(line.text());
  }
  return line.text();
}

}  // namespace assay
