#include "reports/check_report.h"

#include <fmt/format.h>

#include "harness/runtime/text.h"

namespace assay {
namespace {

/// Text of an XML document: what XML 1.0 has no way to say becomes '?'.
std::string xml(const std::string& text) {
  std::string out;
  for (const char c : replaced(replaced(text, "\xef\xbf\xbe", "?"), "\xef\xbf\xbf", "?")) {  // U+FFFE and U+FFFF
    if (const std::string_view entity = c == '\n' ? "&#10;" : entity_of(c); !entity.empty()) {
      out += entity;
    } else {
      out += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
    }
  }
  return out;
}

/// Of a workflow command (docs.github.com: Workflow commands for GitHub Actions): a property has further characters of its own.
std::string escaped(const std::string& text, bool is_property) {
  std::string out;
  for (const char c : text) {
    const bool special = c == '%' || c == '\r' || c == '\n' || (is_property && (c == ':' || c == ','));
    out += special ? fmt::format("%{:02X}", static_cast<unsigned char>(c)) : std::string(1, c);
  }
  return out;
}

}  // namespace

std::string junit_text(const std::vector<Verdict>& verdicts) {
  const Summary summary = summarize(verdicts);
  std::string text = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"assay check\" tests=\"{}\" "
      "failures=\"{}\" errors=\"0\" skipped=\"{}\">\n",
      verdicts.size(), summary.failed, summary.not_runnable);
  for (const Verdict& v : verdicts) {
    text += fmt::format("    <testcase classname=\"{}\" name=\"{}\">", xml(v.kernel), xml(v.variant));
    switch (v.status) {
      case Status::fail:
        text += fmt::format("<failure type=\"{}\" message=\"{}\">{}</failure>", xml(v.caught_by), xml(v.reason),
                            xml(v.reproduce));
        break;
      case Status::not_runnable:
        text += fmt::format("<skipped message=\"{}\"/>", xml(v.reason));
        break;
      case Status::claimed:
        text += fmt::format("<system-out>claimed, no pass: {}</system-out>", xml(text_of_claim(v)));
        break;
      case Status::pass:
        text += fmt::format("<system-out>{} samples, at most {:.3g} ULP and {:.3g} x the bound</system-out>", v.samples,
                            v.errors.max_ulp, v.errors.worst_over_bound);
        break;
    }
    text += "</testcase>\n";
  }
  return text + "  </testsuite>\n</testsuites>\n";
}

std::string github_line(const Verdict& failure) {
  return fmt::format(
      "::error title={}::[{}] {}; again: {}\n", escaped(fmt::format("{}/{}", failure.kernel, failure.variant), true),
      escaped(failure.caught_by, false), escaped(failure.reason, false), escaped(failure.reproduce, false));
}

}  // namespace assay
