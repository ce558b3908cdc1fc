#include "runner/stop_strings.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/runtime/error.h"
#include "harness/runtime/text.h"

namespace assay {

StopStrings::Stop::Stop(std::string_view stop) : text(stop), border(stop.size() + 1) {
  for (size_t n = 2; n <= text.size(); ++n) {
    size_t k = border[n - 1];
    while (k > 0 && text[k] != text[n - 1]) {
      k = border[k];
    }
    border[n] = text[k] == text[n - 1] ? k + 1 : 0;
  }
}

void StopStrings::Stop::advance(char byte) {
  while (matched > 0 && text[matched] != byte) {
    matched = border[matched];
  }
  matched += text[matched] == byte ? 1 : 0;
}

StopStrings::StopStrings(const std::vector<std::string>& stops) {
  for (const auto& stop : stops) {
    if (stop.empty()) {
      throw InputError("a stop string is empty: give the text that ends the answer");
    }
    for (std::string_view rest = stop; !rest.empty();) {
      const size_t length = first_character(rest).length;
      if (length == 0) {
        throw InputError(fmt::format("the stop string {} is no UTF-8: give whole characters", quote(stop)));
      }
      rest.remove_prefix(length);
    }
    stops_.emplace_back(stop);
  }
}

std::string_view StopStrings::waiting() const {
  std::string_view longest;
  for (const Stop& s : stops_) {
    if (s.matched > longest.size()) {
      longest = std::string_view(s.text).substr(0, s.matched);
    }
  }
  return longest;
}

std::string StopStrings::add(std::string_view piece) {
  const std::string_view waited = waiting();
  size_t read = 0;
  while (read < piece.size() && !stopped_) {
    for (Stop& s : stops_) {
      s.advance(piece[read]);
      stopped_ = stopped_ || s.complete();
    }
    ++read;
  }
  if (read == 0) {
    return "";
  }
  // What is not shown: the stop string itself, or what may become one.
  size_t kept = 0;
  for (const Stop& s : stops_) {
    if (!stopped_ || s.complete()) {
      kept = std::max(kept, s.matched);
    }
  }
  const size_t shown = waited.size() + read - kept;
  std::string text(waited.substr(0, shown));
  text += piece.substr(0, shown - text.size());
  return characters_.add(text);
}

std::string StopStrings::finish() {
  std::string text;
  if (!stopped_) {
    text = characters_.add(waiting());
  }
  for (Stop& s : stops_) {
    s.matched = 0;
  }
  return text + characters_.finish();
}

}  // namespace assay
