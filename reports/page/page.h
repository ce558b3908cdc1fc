#pragma once
#include <string>
#include <vector>

#include "reports/summary.h"

namespace assay {

/// The chart library as it goes into a page. Empty where it is not there: a page then has its tables alone, and says so.
struct Charts {
  std::string script;
  std::string licences;
};

/// That of the files charts.js and charts.txt beside this program, or in share/assay of where it is installed; ci/charts.sh makes them.
Charts find_charts();

/// One or several reports as a page that needs nothing else: no network, and without JavaScript all of its tables.
std::string page_of(const std::vector<Report>& reports, const Charts& charts);

/// Writes a page for each report, one for all, and an index over them into the folder. Throws InputError where two have one name.
void write_site(const std::string& folder, const std::vector<Report>& reports, const Charts& charts);

// page.css and page.js, by the build.
extern const char* const kPageStyle;
extern const char* const kPageScript;

}  // namespace assay
