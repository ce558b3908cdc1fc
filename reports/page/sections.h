#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "reports/summary.h"

namespace assay {

// The page, section by section: a file each. A section that the summary has no numbers for is "".

/// What a section is made of.
struct PagePart {
  const Report& summary;
  std::string prefix;  ///< of ids: "" for the first report of a page, "2:" for the second
  bool charts;         ///< the chart library is in the page

  std::string id(const std::string& name) const { return prefix + name; }
};

std::string glance_html(const PagePart& part);
std::string verdicts_html(const PagePart& part);
std::string choices_html(const PagePart& part);
std::string question_html(const PagePart& part);
std::string roofline_html(const PagePart& part);
std::string heat_map_html(const PagePart& part);
std::string sizes_html(const PagePart& part);
std::string rounds_html(const PagePart& part);
std::string errors_html(const PagePart& part);
std::string prediction_html(const PagePart& part);
std::string models_html(const PagePart& part);
std::string kernels_html(const PagePart& part);

/// Several reports beside each other: what each uses, and its share of the limit; of one CPU also the later time over the first's.
std::string comparison_html(const std::vector<Report>& reports);

/// A section with its heading, which is a link to itself.
std::string section_html(const std::string& id, const std::string& title, const std::string& body);

/// A chart with what it says in words and its table. `spec` is Vega-Lite's. Where the library is missing the table stands alone.
std::string chart_html(const PagePart& part, const std::string& id, const std::string& words,
                       const nlohmann::json& spec, const std::string& table);

/// Folded: what takes much room.
std::string details_html(const std::string& summary, const std::string& body, const std::string& id = "");

/// How a chart tells the field `maker` of these values: "color" and "shape" of an encoding, for those makers alone that are there.
nlohmann::json maker_encoding(const nlohmann::json& values);

/// "74%"; "?" where the limit is not known.
std::string percent_text(double share);

}  // namespace assay
