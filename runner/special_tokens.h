#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runner/prefix_table.h"

namespace assay {

/// A part of a text.
struct TextPart {
  std::string_view text;
  bool is_marked;  ///< what is written in it as a control token is that token
};

/// A token that a text may have as such, before it is split any further.
struct SpecialToken {
  std::string text;
  int32_t id;
  bool anywhere;  ///< not only where a text is marked: a token that a model's maker has added for what texts say
};

/// Where special tokens stand in texts.
class SpecialTokens {
 public:
  struct Place {
    size_t at, bytes;
    int32_t id;
  };

  SpecialTokens() = default;
  /// No two may have one text.
  explicit SpecialTokens(std::vector<SpecialToken> tokens);

  /// The special tokens of `text`, which is that of the parts together, from left to right. Longer ones are found first, of equal lengths
  /// those of lower IDs, then those further left; none overlaps one found before, and no control token reaches out of what is marked. So
  /// llama.cpp searches for them, one token after the other; here it is one pass over the text.
  std::vector<Place> find(std::string_view text, std::span<const TextPart> parts) const;

 private:
  struct Kind {
    int32_t id;
    bool anywhere;
  };
  struct Candidate;
  const Kind& kind_of(int32_t entry) const { return kinds_[static_cast<size_t>(table_[entry].value)]; }
  int32_t fitting(int32_t entry, size_t marked) const;

  std::vector<Kind> kinds_;
  PrefixTable table_;  ///< of texts; the value is the place in kinds_
};

}  // namespace assay
