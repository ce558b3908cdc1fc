#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

/// Text as HTML shows it literally, between tags and in quoted attributes alike: nothing from outside gets into a page but through this
/// and script_json.
std::string html(std::string_view text);

/// JSON as it may stand in a <script>: nothing in it ends that.
std::string script_json(const nlohmann::json& json);

/// A cell of a table. What it says is escaped when it is written.
struct Cell {
  std::string text;
  std::string note = {};   ///< in small, after it
  std::string css = {};    ///< classes
  std::string title = {};  ///< what a pointer shows
  double bar = -1;         ///< 0 to 1: as much of the cell is coloured; under 0: none
  double heat = -1;        ///< 0 to 1: how strongly it is coloured
};

struct Heading {
  std::string text;
  bool number = true;
  std::string title = {};
};

/// A table that can be sorted, and scrolls by itself where the page is narrow.
class HtmlTable {
 public:
  /// `caption` says what it shows, also to those who do not see it. `css`: classes of the table.
  HtmlTable(const std::string& caption, const std::vector<Heading>& headings, const std::string& css = "");
  /// The first cell is the row's heading. `id`: what a link to the row names.
  void row(const std::vector<Cell>& cells, const std::string& id = "");
  bool empty() const { return rows_ == 0; }
  std::string text() const;

 private:
  std::string caption_, head_, body_;
  std::vector<bool> numbers_;
  size_t rows_ = 0;
};

}  // namespace assay
