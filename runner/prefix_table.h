#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

/// Strings by what a text may begin with. A look-up takes a binary search for each byte of the longest string, at most.
class PrefixTable {
 public:
  struct Entry {
    std::string text;
    int32_t value;
    int32_t shorter = -1;  ///< the next shorter entry that this one begins with; -1: there is none
  };

  PrefixTable() = default;
  /// Leaves out empty strings, and of equal ones all but the last. `shorter` is set here.
  explicit PrefixTable(std::vector<Entry> entries);

  /// The number of the longest entry that `text` begins with; -1 if there is none.
  int32_t longest(std::string_view text) const;

  const Entry& operator[](int32_t number) const { return entries_[static_cast<size_t>(number)]; }
  bool empty() const { return entries_.empty(); }

 private:
  std::vector<Entry> entries_;       ///< in the order of their bytes, so that those with one beginning stand together
  std::array<size_t, 257> first_{};  ///< where those that begin with a byte begin
};

}  // namespace assay
