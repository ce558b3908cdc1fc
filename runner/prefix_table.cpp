#include "runner/prefix_table.h"

#include <algorithm>

namespace assay {
namespace {

unsigned char byte_at(const std::string& text, size_t at) { return static_cast<unsigned char>(text[at]); }

}  // namespace

PrefixTable::PrefixTable(std::vector<Entry> entries) {
  std::ranges::stable_sort(entries, {}, &Entry::text);
  for (Entry& entry : entries) {
    if (!entries_.empty() && entries_.back().text == entry.text) {
      entries_.back().value = entry.value;
    } else if (!entry.text.empty()) {
      entries_.push_back(std::move(entry));
    }
  }
  // The entry before is the shorter one, or begins with the same shorter ones.
  for (size_t i = 0; i < entries_.size(); ++i) {
    auto shorter = static_cast<int32_t>(i) - 1;
    while (shorter >= 0 && !entries_[i].text.starts_with((*this)[shorter].text)) {
      shorter = (*this)[shorter].shorter;
    }
    entries_[i].shorter = shorter;
  }
  for (size_t b = 0; b < first_.size(); ++b) {
    const auto found = std::ranges::partition_point(entries_, [&](const Entry& e) { return byte_at(e.text, 0) < b; });
    first_[b] = static_cast<size_t>(found - entries_.begin());
  }
}

int32_t PrefixTable::longest(std::string_view text) const {
  if (text.empty() || entries_.empty()) {
    return -1;
  }
  const auto first_byte = static_cast<unsigned char>(text[0]);
  auto begin = entries_.begin() + static_cast<std::ptrdiff_t>(first_[first_byte]);
  auto end = entries_.begin() + static_cast<std::ptrdiff_t>(first_[first_byte + size_t{1}]);
  int32_t best = -1;
  // Those from `begin` to `end` have the first `n` bytes of the text.
  for (size_t n = 1; begin != end; ++n) {
    if (begin->text.size() == n) {
      best = static_cast<int32_t>(begin - entries_.begin());
      ++begin;
    }
    if (n == text.size()) {
      break;
    }
    const auto next = static_cast<unsigned char>(text[n]);
    begin = std::partition_point(begin, end, [&](const Entry& e) { return byte_at(e.text, n) < next; });
    end = std::partition_point(begin, end, [&](const Entry& e) { return byte_at(e.text, n) == next; });
  }
  return best;
}

}  // namespace assay
