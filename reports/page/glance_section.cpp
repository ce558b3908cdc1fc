// The head of a report: which CPU, and what all of it comes to.
#include "reports/glance.h"

#include <fmt/format.h>

#include "reports/figures.h"
#include "reports/page/html.h"
#include "reports/page/sections.h"

namespace assay {
namespace {

std::string isa_list(const CpuSummary& cpu) {
  std::string runs, lacks;
  for (const auto& isa : cpu.isas) {
    (isa.runnable ? runs : lacks) +=
        fmt::format("<li class=\"{}\"{}>{}</li>", isa.runnable ? "runs" : "lacks",
                    isa.reason.empty() ? "" : fmt::format(" title=\"{}\"", html(isa.reason)), html(isa.isa));
  }
  return cpu.isas.empty() ? ""
                          : fmt::format("<ul class=\"isas\" aria-label=\"ISAs\">{}{}{}</ul>\n", runs,
                                        lacks.empty() ? "" : "<li class=\"label\">not here:</li>", lacks);
}

std::string facts_of(const Report& s) {
  std::string text = fmt::format("{} family {:.0f} model {:.0f} stepping {:.0f}", s.cpu.vendor, s.cpu.family,
                                 s.cpu.model, s.cpu.stepping);
  if (s.cpu.l1d > 0) {
    text += fmt::format("; caches of {}, {} and {}", bytes_text(s.cpu.l1d), bytes_text(s.cpu.l2), bytes_text(s.cpu.l3));
  }
  return fmt::format("{}; one thread; {}", text, sources_text(s));
}

}  // namespace

std::string glance_html(const PagePart& part) {
  const Report& s = part.summary;
  std::string text = fmt::format("<p class=\"facts\">{}</p>\n{}", html(facts_of(s)), isa_list(s.cpu));
  std::string cards;
  for (const auto& answer : answers_of(s)) {
    cards += fmt::format("<div class=\"card\"><h3>{}</h3><p class=\"figure\">{}</p><p>{}</p></div>\n",
                         html(answer.question), html(answer.figure), html(answer.sentence));
  }
  text += cards.empty() ? "" : fmt::format("<div class=\"cards\">\n{}</div>\n", cards);
  if (!s.no_limits.empty()) {
    text += fmt::format("<p>Limits were not measured: {}.</p>\n", html(s.no_limits));
  }
  return text;
}

}  // namespace assay
