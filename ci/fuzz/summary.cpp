// What a report is made of: read, written and read again, and made into Markdown and a page, in which no text of the file opens a tag.
// Covers: reports/summary.cpp reports/figures.cpp reports/markdown.cpp
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "harness/runtime/error.h"
#include "reports/markdown.h"
#include "reports/page/page.h"
#include "reports/summary.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const assay::Report report =
        assay::as_kept(assay::parse_summary("fuzz.json", {reinterpret_cast<const char*>(data), size}));
    const std::string page = assay::page_of({report, report}, {});
    if (assay::markdown_of(report).find("<script") != std::string::npos || page.find("<b>") != std::string::npos) {
      std::abort();
    }
  } catch (const assay::InputError&) {
  }
  return 0;
}
