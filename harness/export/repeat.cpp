#include "harness/export/repeat.h"

#include <algorithm>
#include <charconv>

#include "harness/runtime/profile.h"

namespace assay {
namespace {

/// Takes JSON apart from front to back. What it does not know ends it: nothing that it gives then is to be used.
class Scanner {
 public:
  /// The text ends with a NUL, at which everything stops.
  explicit Scanner(const std::string& text) : at_(text.c_str()), end_(at_ + text.size()) {}

  bool failed() const { return failed_; }
  bool at_end() {
    skip_blanks();
    return at_ == end_;
  }

  /// Calls `value(key)` for each, which reads the value.
  template <class Value>
  void object(const Value& value) {
    list('{', '}', [&] {
      const std::string_view key = string();
      expect(':');
      value(key);
    });
  }

  template <class Value>
  void array(const Value& value) {
    list('[', ']', value);
  }

  /// Of plain text: with an escape in it, it would have to be made anew.
  std::string_view string() {
    expect('"');
    const char* begin = at_;
    while (*at_ != '"') {
      if (*at_ < ' ' || *at_ > '~' || *at_ == '\\') {
        return fail(), std::string_view();
      }
      ++at_;
    }
    return {begin, static_cast<size_t>(at_++ - begin)};
  }

  template <class T>
  T number() {
    skip_blanks();
    T value = 0;
    const bool is_number = *at_ == '-' || (*at_ >= '0' && *at_ <= '9');  // from_chars takes "inf" too
    const auto [behind, error] = std::from_chars(at_, end_, value);
    if (!is_number || error != std::errc()) {
      fail();
    } else {
      at_ = behind;
    }
    return value;
  }

  bool boolean() {
    skip_blanks();
    const std::string_view rest(at_, static_cast<size_t>(end_ - at_));
    const bool is_true = rest.starts_with("true");
    if (!is_true && !rest.starts_with("false")) {
      fail();
    } else {
      at_ += is_true ? 4 : 5;
    }
    return is_true;
  }

  /// A value whole, as text.
  std::string_view skip() {
    skip_blanks();
    const char* begin = at_;
    int depth = 0;
    do {
      if (*at_ == '"') {
        skip_string();
      } else if (*at_ == '\0') {
        fail();
      } else if (depth == 0 && is_of_scalar(*at_)) {
        while (is_of_scalar(*at_)) {
          ++at_;
        }
      } else {
        depth += (*at_ == '{' || *at_ == '[') - (*at_ == '}' || *at_ == ']');
        if (++at_; depth < 1 && at_ == begin + 1) {
          fail();
        }
      }
    } while (depth > 0 && !failed_);
    return {begin, static_cast<size_t>(at_ - begin)};
  }

 private:
  /// Of a number, true, false or null.
  static bool is_of_scalar(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '+' || c == '.' || c == 'E';
  }

  void fail() {
    failed_ = true;
    at_ = end_;  // a NUL, which is nothing that anybody expects
  }

  void skip_blanks() {
    while (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r') {
      ++at_;
    }
  }

  bool take(char c) {
    skip_blanks();
    if (*at_ != c) {
      return false;
    }
    ++at_;
    return true;
  }

  void expect(char c) {
    if (!take(c)) {
      fail();
    }
  }

  void skip_string() {
    for (++at_; *at_ != '"'; ++at_) {
      at_ += *at_ == '\\';
      if (at_ >= end_) {
        return fail();
      }
    }
    ++at_;
  }

  template <class Item>
  void list(char open, char close, const Item& item) {
    expect(open);
    if (failed_ || take(close)) {
      return;
    }
    do {
      item();
    } while (!failed_ && take(','));
    expect(close);
  }

  const char *at_, *end_;
  bool failed_ = false;
};

/// Reads the parts of a profile that are pooled.
class RepeatReader {
 public:
  RepeatReader(const std::string& text, Repeat& repeat) : scanner_(text), repeat_(repeat) {}

  bool read() {
    repeat_.cpu = repeat_.date = {};
    repeat_.evidence.clear();
    repeat_.rows.clear();
    repeat_.ratios.clear();
    int version = 0;
    scanner_.object([&](std::string_view key) {
      if (key == "choices") {
        scanner_.array([&] { read_row(); });
      } else if (key == "evidence") {
        scanner_.object([&](std::string_view name) { read_evidence(name); });
      } else if (key == "cpu") {
        repeat_.cpu = scanner_.skip();
      } else if (key == "date") {
        repeat_.date = scanner_.string();
      } else if (key == "schema_version") {
        version = scanner_.number<int>();
      } else {
        scanner_.skip();
      }
    });
    expect(version == Profile::kSchemaVersion && !repeat_.cpu.empty() && !repeat_.evidence.empty() &&
           !repeat_.rows.empty());
    return good_ && !scanner_.failed() && scanner_.at_end();
  }

 private:
  void expect(bool condition) { good_ = good_ && condition; }

  void read_evidence(std::string_view name) {
    Repeat::Code& code = repeat_.evidence.emplace_back();
    code.name = name;
    bool passed = false;
    scanner_.object([&](std::string_view key) {
      if (key == "code") {
        code.code = scanner_.string();
      } else if (key == "contract") {
        code.contract = scanner_.number<unsigned>();
      } else if (key == "verdict") {
        scanner_.object([&](std::string_view field) {
          const std::string_view value = scanner_.skip();
          passed = passed || (field == "status" && value == "\"pass\"");
        });
      } else {
        scanner_.skip();
      }
    });
    expect(passed);
  }

  void read_row() {
    Repeat::Row& row = repeat_.rows.emplace_back();
    row.ratios_begin = repeat_.ratios.size();
    scanner_.object([&](std::string_view key) {
      if (key == "kernel") {
        row.kernel = scanner_.string();
      } else if (key == "variant") {
        row.variant = scanner_.string();
      } else if (key == "cold") {
        row.cold = scanner_.boolean();
      } else if (key == "shape") {
        scanner_.array([&] { read_size(row); });
      } else if (key == "ratios") {
        scanner_.object([&](std::string_view label) { read_ratio(label); });
      } else if (key == "timing") {
        read_timing(row);
      } else {
        scanner_.skip();
      }
    });
    row.ratios_end = repeat_.ratios.size();
  }

  void read_size(Repeat::Row& row) {
    const auto size = scanner_.number<size_t>();
    if (row.n_dims < row.shape.size()) {
      row.shape[row.n_dims] = size;
    }
    expect(++row.n_dims <= row.shape.size());
  }

  void read_ratio(std::string_view label) {
    Repeat::Timed& timed = repeat_.ratios.emplace_back();
    timed.label = label;
    std::array<double, 3> numbers = {};
    size_t count = 0;
    scanner_.array([&] { numbers[std::min(count++, size_t{2})] = scanner_.number<double>(); });
    const auto [median, low, high] = numbers;
    expect(count == 3 && Ratio{median, low, high}.is_possible());
    timed.median = static_cast<float>(median);
    timed.low = static_cast<float>(low);
    timed.high = static_cast<float>(high);
  }

  void read_timing(Repeat::Row& row) {
    scanner_.object([&](std::string_view key) {
      if (key == "control_ratio") {
        row.control = static_cast<float>(scanner_.number<double>());
      } else if (key == "share_of_limit") {
        row.share = static_cast<float>(scanner_.number<double>());
      } else {
        scanner_.skip();
      }
    });
  }

  Scanner scanner_;
  Repeat& repeat_;
  bool good_ = true;
};

}  // namespace

bool read_repeat(const std::string& text, Repeat& repeat) { return RepeatReader(text, repeat).read(); }

}  // namespace assay
