#include "runner/special_tokens.h"

#include <algorithm>
#include <queue>
#include <tuple>

namespace assay {

/// What may stand at a place; what is shorter may stand there if this one does not.
struct SpecialTokens::Candidate {
  size_t bytes;
  int32_t id;
  size_t at;
  int32_t entry;
  size_t marked;  ///< bytes from here on in which a control token may stand

  /// For a queue that gives first what is found first.
  bool operator<(const Candidate& other) const {
    return std::tuple(bytes, -id, other.at) < std::tuple(other.bytes, -other.id, at);
  }
};

SpecialTokens::SpecialTokens(std::vector<SpecialToken> tokens) {
  std::vector<PrefixTable::Entry> entries;
  for (SpecialToken& token : tokens) {
    entries.push_back({std::move(token.text), static_cast<int32_t>(kinds_.size())});
    kinds_.push_back({token.id, token.anywhere});
  }
  table_ = PrefixTable(std::move(entries));
}

/// This entry of the table, or the longest one that it begins with, that may stand where `marked` bytes are marked; -1: none.
int32_t SpecialTokens::fitting(int32_t entry, size_t marked) const {
  while (entry >= 0 && table_[entry].text.size() > marked && !kind_of(entry).anywhere) {
    entry = table_[entry].shorter;
  }
  return entry;
}

std::vector<SpecialTokens::Place> SpecialTokens::find(std::string_view text, std::span<const TextPart> parts) const {
  std::vector<Candidate> all;
  const auto consider = [&](size_t at, int32_t entry, size_t marked) {
    return Candidate{table_[entry].text.size(), kind_of(entry).id, at, entry, marked};
  };
  size_t at = 0;
  for (size_t part = 0; part < parts.size() && !table_.empty();) {
    // Parts that are alike and stand together are one.
    const bool is_marked = parts[part].is_marked;
    size_t end = at;
    for (; part < parts.size() && (parts[part].is_marked == is_marked || parts[part].text.empty()); ++part) {
      end += parts[part].text.size();
    }
    for (; at < end; ++at) {
      const size_t marked = is_marked ? end - at : 0;
      if (const int32_t entry = fitting(table_.longest(text.substr(at)), marked); entry >= 0) {
        all.push_back(consider(at, entry, marked));
      }
    }
  }
  std::priority_queue<Candidate> candidates(std::less<Candidate>(), std::move(all));
  std::vector<bool> taken(text.size());
  std::vector<Place> places;
  while (!candidates.empty()) {
    const Candidate c = candidates.top();
    candidates.pop();
    // None that was found before is shorter: one that overlaps this has its first byte, or its last.
    if (taken[c.at]) {
      continue;
    }
    if (!taken[c.at + c.bytes - 1]) {
      std::fill_n(taken.begin() + static_cast<std::ptrdiff_t>(c.at), c.bytes, true);
      places.push_back({c.at, c.bytes, c.id});
    } else if (const int32_t entry = fitting(table_[c.entry].shorter, c.marked); entry >= 0) {
      candidates.push(consider(c.at, entry, c.marked));
    }
  }
  std::ranges::sort(places, {}, &Place::at);
  return places;
}

}  // namespace assay
