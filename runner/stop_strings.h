#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "runner/tokenizer.h"

namespace assay {

/// An answer that comes piece by piece and ends before the first stop string. It shows whole characters.
class StopStrings {
 public:
  /// Throws InputError for a stop string that is empty or no UTF-8. Without any, the answer does not end here.
  explicit StopStrings(const std::vector<std::string>& stops);

  /// What can be shown once `piece` is there. What may be the beginning of a stop string waits, and so does an
  /// unfinished character. After the stop nothing more comes. Time is linear in the text, for each stop string.
  std::string add(std::string_view piece);

  /// Whether a stop string came. Of two that end at the same place, the longer counts.
  bool stopped() const { return stopped_; }

  /// What still waits when no more pieces come; U+FFFD for a character that nothing finished.
  std::string finish();

 private:
  /// A stop string, searched for by the method of Knuth, Morris and Pratt.
  struct Stop {
    std::string text;
    std::vector<size_t> border;  ///< [n]: of its first n bytes, how many at the end are also its beginning
    size_t matched = 0;          ///< so many of its bytes are the end of the text so far

    explicit Stop(std::string_view stop);
    void advance(char byte);
    bool complete() const { return matched == text.size(); }
  };
  /// The longest end of the text so far that may be the beginning of a stop string. It is kept nowhere else.
  std::string_view waiting() const;

  std::vector<Stop> stops_;
  TextStream characters_;
  bool stopped_ = false;
};

}  // namespace assay
