#pragma once
#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace assay {

/// The character that a text begins with.
struct Character {
  uint32_t code;
  size_t length;  ///< 0: the text does not begin with a character
};

/// By the Unicode Standard's table 3-7 (well-formed UTF-8).
Character first_character(std::string_view text);

/// `text` on one line, fit for a terminal: control characters and what is no UTF-8 become \xNN, and what follows the
/// first `limit` bytes becomes "...".
std::string one_line(std::string_view text, size_t limit);

/// Text from a file or a command line, for a message: in quotes, quotes and backslashes escaped too, long text cut.
std::string quote(std::string_view text);

/// Text as one word of a shell's command line: as it is where that is one, else in single quotes.
std::string shell_word(std::string_view text);

/// JSON from somebody else: copies and comparisons of it recurse. Throws InputError for what is nested deeper than that and for a key
/// that an object has twice, of which one would be lost, and nlohmann::json::parse_error.
nlohmann::json parse_json(std::string_view text, int most_depth);

/// What stands for a character that is markup in HTML and XML: "&amp;" for '&'; "" for one that is none.
std::string_view entity_of(char c);

/// `text` with `to` in each place of `from`, which is not empty.
std::string replaced(std::string_view text, std::string_view from, std::string_view to);

}  // namespace assay
