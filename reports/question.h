#pragma once
#include <string>
#include <vector>

#include "reports/summary.h"

namespace assay {

// The parts of the old question that are asked beside it: said by the Markdown and by the page alike.

/// A table in plain text, with what it says in words.
struct PlainTable {
  std::string title, words;
  std::vector<std::string> headings;  ///< the first is the rows' own
  std::vector<std::vector<std::string>> rows;
};

/// Compilers beside each other, each by the best that it made of a kernel's plain C++; no rows with fewer than two.
PlainTable compilers_table(const Report& summary);

/// Plain C++ as one writes it first beside that of the project and the best of all; no rows without such variants.
PlainTable effort_table(const Report& summary);

/// Lines of code; no rows where they are not known.
PlainTable lines_table(const Report& summary);

/// Those of them that have rows.
std::vector<PlainTable> question_tables(const Report& summary);

}  // namespace assay
