#include "harness/runtime/cpu_dump.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <map>
#include <set>
#include <string_view>

#include "harness/runtime/error.h"

namespace assay {
namespace {

constexpr int kMostCores = 8192;  // what Linux allows on x86-64 (CONFIG_NR_CPUS)

using Registers = std::array<uint32_t, 4>;

// Which groups of lines each version of libcpuid writes for a core, and how many of each: cpuid_serialize_raw_data()
// and libcpuid_constants.h of every release from 0.2.1 to 0.8.1. A core that has fewer is truncated.
struct Group {
  const char* name;
  unsigned count;
  unsigned since;  // the first version that writes it, as 100 * minor + patch of 0.minor.patch
};
constexpr Group kGroups[] = {
    {"basic_cpuid", 32, 0},  {"ext_cpuid", 32, 0},    {"intel_fn4", 4, 0},         {"intel_fn11", 4, 101},
    {"intel_fn12h", 4, 400}, {"intel_fn14h", 4, 400}, {"amd_fn8000001dh", 4, 500}, {"amd_fn80000026h", 4, 700},
};
constexpr unsigned kNewestVersion = 801;

unsigned group_count(const Group& group, unsigned version) {
  return std::string_view(group.name) == "intel_fn4" && version >= 300 ? 8 : group.count;
}

constexpr std::string_view kCoreHeading = "_________________ Logical CPU #";  // 17 underscores on each side
constexpr std::string_view kCoreHeadingEnd = " _________________";

std::string excerpt(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 60)) {
    out += c >= ' ' && c <= '~' ? c : '?';
  }
  return out;
}

/// Takes `word` from the front of `text`.
bool take(std::string_view& text, std::string_view word) {
  const bool there = text.starts_with(word);
  text.remove_prefix(there ? word.size() : 0);
  return there;
}

constexpr std::string_view kBlanks = " \t\r";

std::string_view without_blanks_around(std::string_view text) {
  const size_t begin = std::min(text.find_first_not_of(kBlanks), text.size());
  return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

/// Takes what stands between a leaf and its registers: ": " as AIDA64 has it, blanks and a tab as Everest had before.
bool take_separator(std::string_view& text) {
  const size_t colon = take(text, ":") ? 1 : 0;
  const size_t blanks = std::min(text.find_first_not_of(kBlanks), text.size());
  text.remove_prefix(blanks);
  return colon + blanks > 0;
}

bool take_number(std::string_view& text, unsigned& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  text.remove_prefix(error == std::errc() ? static_cast<size_t>(end - text.data()) : 0);
  return error == std::errc();
}

/// Exactly eight digits: a register cut short is not a smaller register.
bool take_register(std::string_view& text, uint32_t& value) {
  if (text.size() < 8) {
    return false;
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + 8, value, 16);
  const bool whole = error == std::errc() && end == text.data() + 8;
  text.remove_prefix(whole ? 8 : 0);
  return whole;
}

bool take_registers(std::string_view& text, Registers& r, std::string_view separator) {
  return take_register(text, r[0]) && take(text, separator) && take_register(text, r[1]) && take(text, separator) &&
         take_register(text, r[2]) && take(text, separator) && take_register(text, r[3]);
}

class Parser {
 public:
  Parser(const std::string& path, std::string_view text) : path_(path), rest_(text) {
    take(rest_, "\xef\xbb\xbf");  // the mark that some editors of Windows put before UTF-8
    if (rest_.starts_with("\xff\xfe") || rest_.starts_with("\xfe\xff")) {
      throw bad("the file is UTF-16: save it as plain text (UTF-8)");
    }
  }

  std::vector<RawCore> parse() {
    // Either kind is told by its first words; what follows must then be of that kind.
    while (next_line()) {
      if (line_.empty() || line_.starts_with('#')) {
        continue;
      }
      // Test results follow in libcpuid's own test data.
      if (line_.size() == 80 && line_.find_first_not_of('-') == std::string_view::npos) {
        break;
      }
      if (kind_ != Kind::aida64 && parse_libcpuid_line()) {
        kind_ = Kind::libcpuid;
      } else if (kind_ != Kind::libcpuid && parse_aida64_line()) {
        kind_ = Kind::aida64;
      } else {
        throw bad(fmt::format("'{}' is no line of CPUID registers", excerpt(line_)));
      }
    }
    finish_core();
    if (cores_.empty()) {
      throw bad("the file holds no CPUID registers");
    }
    return std::move(cores_);
  }

 private:
  enum class Kind { unknown, libcpuid, aida64 };

  InputError bad(const std::string& why) const {
    return InputError(fmt::format("{}:{}: {}; expected a libcpuid raw dump, as `cpuid_tool --save=FILE` writes it",
                                  path_, std::max<size_t>(number_, 1), why));
  }

  bool next_line() {
    if (rest_.empty()) {
      return false;
    }
    ++number_;
    const size_t end = rest_.find('\n');
    line_ = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    line_ = without_blanks_around(line_);
    return true;
  }

  /// Whether a line with these registers is the first of its leaf in this core. Some tools write one twice; that is no matter as
  /// long as both say the same.
  bool is_first(const std::string& key, const Registers& r) {
    const auto [it, is_new] = seen_.emplace(key, r);
    if (!is_new && it->second != r) {
      throw bad(fmt::format("{} is there twice in one core, with other registers", key));
    }
    return is_new;
  }

  /// What may stand behind the number of a core in a heading.
  static bool ends_heading(std::string_view text, std::string_view end) {
    take(text, " Virtual");  // AIDA64, in a virtual machine
    return text == end;
  }

  void begin_core(unsigned number) {
    finish_core();
    if (number >= kMostCores) {
      throw bad(fmt::format("logical CPU number {} is over {}", number, kMostCores - 1));
    }
    if (!numbers_.insert(number).second) {
      throw bad(fmt::format("logical CPU {} is there twice", number));
    }
    cores_.emplace_back();
    cores_.back().number = static_cast<int>(number);
    cores_.back().line = number_;
    seen_.clear();
    open_ = true;
  }

  uint32_t* place(std::string_view group, unsigned index) {
    cpu_raw_data_t& raw = cores_.back().raw;
    return group == "basic_cpuid"       ? raw.basic_cpuid[index]
           : group == "ext_cpuid"       ? raw.ext_cpuid[index]
           : group == "intel_fn4"       ? raw.intel_fn4[index]
           : group == "intel_fn11"      ? raw.intel_fn11[index]
           : group == "intel_fn12h"     ? raw.intel_fn12h[index]
           : group == "intel_fn14h"     ? raw.intel_fn14h[index]
           : group == "amd_fn8000001dh" ? raw.amd_fn8000001dh[index]
                                        : nullptr;  // this library's data has no place for it
  }

  void parse_version() {
    std::string_view text = line_.substr(std::strlen("version="));
    unsigned major = 0;
    unsigned minor = 0;
    unsigned patch = 0;
    if (open_ || version_line_ != 0) {
      throw bad("a second version line: dumps were joined; give one machine's");
    }
    if (!take_number(text, major) || !take(text, ".") || !take_number(text, minor) || !take(text, ".") ||
        !take_number(text, patch) || major > 99 || minor > 99 || patch > 99) {
      throw bad(fmt::format("'{}' is no version of libcpuid", excerpt(line_)));
    }
    version_ = 10000 * major + 100 * minor + patch;
    version_line_ = number_;
  }

  bool parse_libcpuid_line() {
    if (line_.starts_with("version=")) {
      parse_version();
      return true;
    }
    if (line_.starts_with("build_date=")) {
      return true;
    }
    if (line_.starts_with("arm_")) {
      throw bad("this is the dump of an ARM CPU; assay is for x86-64");
    }
    std::string_view text = line_;
    if (take(text, kCoreHeading)) {
      unsigned number = 0;
      if (!take_number(text, number) || !ends_heading(text, kCoreHeadingEnd)) {
        throw bad(fmt::format("'{}' is cut short", excerpt(line_)));
      }
      begin_core(number);
      return true;
    }
    const size_t bracket = text.find('[');
    if (bracket == std::string_view::npos || bracket == 0 ||
        text.substr(0, bracket).find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") != std::string_view::npos) {
      return false;
    }
    const std::string_view group = text.substr(0, bracket);
    text.remove_prefix(bracket + 1);
    unsigned index = 0;
    Registers r{};
    if (!take_number(text, index) || !take(text, "]=") || !take_registers(text, r, " ") || !text.empty()) {
      return false;
    }
    const auto* known = std::ranges::find(kGroups, group, [](const Group& g) { return std::string_view(g.name); });
    const bool is_known = known != std::end(kGroups);
    if (!is_known && version_ <= kNewestVersion) {
      throw bad(fmt::format("unknown group '{}'", excerpt(group)));
    }
    if (const unsigned limit = is_known ? group_count(*known, kNewestVersion) : 256; index >= limit) {
      throw bad(fmt::format("index {} of {} is over {}", index, group, limit - 1));
    }
    if (!open_) {
      begin_core(0);
    }
    uint32_t* to = place(group, index);
    if (is_first(fmt::format("{}[{}]", group, index), r) && to != nullptr) {
      std::ranges::copy(r, to);
    }
    return true;
  }

  bool parse_aida64_line() {
    std::string_view text = line_;
    unsigned number = 0;
    if (take(text, "CPU#")) {  // "CPU#000 AffMask: 0x0000000000000001"
      if (!take_number(text, number) || !take(text, " AffMask: 0x") || text.size() != 16) {
        return false;
      }
      begin_core(number);
      return true;
    }
    if (take(text, "CPUID Registers (CPU #")) {
      if (!take_number(text, number) || !ends_heading(text, "):")) {
        return false;
      }
      begin_core(number);
      return true;
    }
    if (take(text, "------[ ")) {
      if (text == "Versions ]------") {
        return true;
      }
      take(text, "CPUID Registers / ");
      if (!take(text, "Logical CPU #") || !take_number(text, number) || !ends_heading(text, " ]------")) {
        return false;
      }
      begin_core(number);
      return true;
    }
    uint32_t leaf = 0;
    Registers r{};
    if (!take(text, "CPUID ") || !take_register(text, leaf) || !take_separator(text) || !take_registers(text, r, "-")) {
      return false;
    }
    // Behind it may stand "[SL 01]", the text that the registers spell, or cache sizes.
    const bool blanks_follow = text != without_blanks_around(text);
    text = without_blanks_around(text);
    if (!text.empty() && !(blanks_follow && text.starts_with('[') && text.ends_with(']'))) {
      return false;
    }
    unsigned subleaf = 0;
    if (take(text, "[SL ")) {
      const auto [last, error] = std::from_chars(text.data(), text.data() + text.size(), subleaf, 16);
      if (error != std::errc() || *last != ']') {
        return false;
      }
    } else if (open_ && leaf > 1 && (leaf < 0x80000000 || leaf > 0x80000008)) {  // older ones count by order alone
      const auto same = [&](unsigned i) {
        const auto it = seen_.find(fmt::format("{:08X}.{}", leaf, i));
        return it != seen_.end() && it->second == r;
      };
      // Caches and levels of the topology may be alike; of another leaf the same registers are the same line again.
      const bool may_repeat = leaf == 4 || leaf == 0xb || leaf == 0xd || leaf == 0x8000001d;
      while (seen_.contains(fmt::format("{:08X}.{}", leaf, subleaf)) && (may_repeat || !same(subleaf))) {
        ++subleaf;
      }
    }
    if (!open_) {
      begin_core(0);
    }
    if (!is_first(fmt::format("{:08X}.{}", leaf, subleaf), r)) {
      return true;
    }
    cpu_raw_data_t& raw = cores_.back().raw;
    uint32_t* to = nullptr;
    if (leaf == 4 && subleaf < MAX_INTELFN4_LEVEL) {
      to = raw.intel_fn4[subleaf];
    } else if (leaf == 0xb && subleaf < MAX_INTELFN11_LEVEL) {
      to = raw.intel_fn11[subleaf];
    } else if (leaf == 0x8000001d && subleaf < MAX_AMDFN8000001DH_LEVEL) {
      to = raw.amd_fn8000001dh[subleaf];
    } else if (leaf == 7 && subleaf == 1) {
      cores_.back().leaf7_1 = r;
    }
    if (to != nullptr) {
      std::ranges::copy(r, to);
    }
    if (subleaf == 0 && leaf < MAX_CPUID_LEVEL) {
      std::ranges::copy(r, raw.basic_cpuid[leaf]);
    } else if (subleaf == 0 && leaf >= 0x80000000 && leaf - 0x80000000 < MAX_EXT_CPUID_LEVEL) {
      std::ranges::copy(r, raw.ext_cpuid[leaf - 0x80000000]);
    }
    return true;
  }

  /// The core that ends here must be whole.
  void finish_core() {
    if (!open_) {
      return;
    }
    open_ = false;
    const RawCore& core = cores_.back();
    const auto need = [&](const std::string& key) {
      if (!seen_.contains(key)) {
        throw bad(fmt::format("logical CPU {}, which begins at line {}, ends without {}: the file is truncated",
                              core.number, core.line, key));
      }
    };
    if (kind_ == Kind::libcpuid) {
      for (const auto& group : kGroups) {
        for (unsigned i = 0; i < group_count(group, version_) && group.since <= version_; ++i) {
          need(fmt::format("{}[{}]", group.name, i));
        }
      }
    } else {
      need("00000000.0");
      need("00000001.0");
      // The leaves that tell what assay needs, and the last ones of both ranges, so that nothing before them is cut.
      const uint32_t last = core.raw.basic_cpuid[0][0];
      for (const uint32_t leaf : {uint32_t{7}, uint32_t{0xd}}) {
        if (leaf <= last) {
          need(fmt::format("{:08X}.0", leaf));
        }
      }
      if (last >= 7 && core.raw.basic_cpuid[7][0] >= 1) {
        need("00000007.1");
      }
      need("80000000.0");
      const uint32_t last_extended = core.raw.ext_cpuid[0][0];
      for (uint32_t leaf = 0x80000001; leaf <= std::min(last_extended, 0x80000008u); ++leaf) {
        need(fmt::format("{:08X}.0", leaf));
      }
      if (last_extended > 0x80000008) {
        need(fmt::format("{:08X}.0", last_extended));
      }
    }
    if (core.raw.basic_cpuid[0][0] == 0 || core.raw.basic_cpuid[1][0] == 0 ||
        (core.raw.ext_cpuid[1][3] >> 29 & 1) == 0) {
      throw bad(fmt::format(
          "logical CPU {} is no x86-64 CPU: CPUID leaf 0 or 1 is empty, or long mode (leaf 0x80000001, EDX bit "
          "29) is missing",
          core.number));
    }
  }

  std::string path_;
  std::string_view rest_;
  std::string_view line_;
  size_t number_ = 0;
  size_t version_line_ = 0;
  unsigned version_ = 0;
  Kind kind_ = Kind::unknown;
  bool open_ = false;
  std::vector<RawCore> cores_;
  std::set<unsigned> numbers_;
  std::map<std::string, Registers> seen_;  ///< lines of this core: by group and index, or leaf and subleaf
};

}  // namespace

std::vector<RawCore> parse_cpu_dump(const std::string& path, const std::string& text) {
  return Parser(path, text).parse();
}

}  // namespace assay
