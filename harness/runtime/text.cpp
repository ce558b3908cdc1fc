#include "harness/runtime/text.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "harness/runtime/error.h"

namespace assay {
namespace {

/// C0 and C1 controls and DEL: a terminal acts on them.
bool is_control(uint32_t code) { return code < 0x20 || (code >= 0x7f && code < 0xa0); }

std::string escaped(std::string_view text, std::string_view specials, size_t limit) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const Character c = first_character(text.substr(i));
    const size_t length = c.length == 0 ? 1 : c.length;
    if (i + length > limit) {
      return out + "...";
    }
    const std::string_view bytes = text.substr(i, length);
    const bool special = specials.find(bytes[0]) != std::string_view::npos;
    if (c.length == 0 || is_control(c.code) || special) {
      for (const char byte : bytes) {
        out += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
      }
    } else {
      out += bytes;
    }
    i += length;
  }
  return out;
}

}  // namespace

Character first_character(std::string_view text) {
  const auto byte = [&](size_t i) -> uint32_t { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0; };
  const uint32_t lead = byte(0);
  if (lead < 0x80) {
    return {lead, text.empty() ? 0u : 1u};
  }
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  uint32_t code = lead & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) {
      return {0, 0};
    }
    code = code << 6 | (byte(i) & 0x3f);
  }
  constexpr std::array<uint32_t, 5> kSmallest{0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code < 0xe000;
  if (lead < 0xc0 || lead > 0xf4 || code < kSmallest[length] || code > 0x10ffff || surrogate) {
    return {0, 0};
  }
  return {code, length};
}

std::string one_line(std::string_view text, size_t limit) { return escaped(text, "", limit); }

std::string quote(std::string_view text) { return fmt::format("'{}'", escaped(text, "'\\", 100)); }

std::string shell_word(std::string_view text) {
  constexpr std::string_view kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./+-:=,@%";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string_view::npos) {
    return std::string(text);
  }
  return fmt::format("'{}'", replaced(text, "'", "'\\''"));
}

nlohmann::json parse_json(std::string_view text, int most_depth) {
  using Event = nlohmann::json::parse_event_t;
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  return nlohmann::json::parse(text, [&](int depth, Event event, const nlohmann::json& parsed) {
    if (depth > most_depth) {
      throw InputError(fmt::format("is nested over {} levels deep", most_depth));
    }
    if (event == Event::object_start) {
      keys.emplace_back();
    } else if (event == Event::object_end) {
      keys.pop_back();
    } else if (event == Event::key && !keys.back().insert(parsed.get<std::string>()).second) {
      throw InputError(fmt::format("has {} twice", quote(parsed.get<std::string>())));
    }
    return true;
  });
}

std::string_view entity_of(char c) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    default:
      return "";
  }
}

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  for (size_t at; (at = text.find(from)) != std::string_view::npos; text.remove_prefix(at + from.size())) {
    out.append(text.substr(0, at)).append(to);
  }
  return out.append(text);
}

}  // namespace assay
