#include "reports/page/html.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "harness/runtime/text.h"

namespace assay {
namespace {

std::string attribute(const char* name, const std::string& value) {
  return value.empty() ? "" : fmt::format(" {}=\"{}\"", name, html(value));
}

std::string cell_html(const Cell& cell, const char* tag, const std::string& more, bool number) {
  std::string css = cell.css;
  std::string style;
  if (cell.bar >= 0) {
    css += " bar";
    style = fmt::format("--bar:{:.1f}%", 100 * std::clamp(cell.bar, 0.0, 1.0));
  } else if (cell.heat >= 0) {
    css += " heat";
    style = fmt::format("--heat:{:.0f}%", 100 * std::clamp(cell.heat, 0.0, 1.0));
  }
  if (number) {
    css += " n";
  }
  css.erase(0, css.find_first_not_of(' '));
  return fmt::format("<{}{}{}{}{}>{}{}</{}>", tag, more, attribute("class", css), attribute("style", style),
                     attribute("title", cell.title), html(cell.text),
                     cell.note.empty() ? "" : fmt::format("<small>{}</small>", html(cell.note)), tag);
}

}  // namespace

std::string html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (const std::string_view entity = c == '\'' ? "&#39;" : entity_of(c); !entity.empty()) {
      out += entity;
    } else {
      out += c;
    }
  }
  return out;
}

std::string script_json(const nlohmann::json& json) {
  // Only inside of its strings JSON has such a character.
  return replaced(json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), "<", "\\u003c");
}

HtmlTable::HtmlTable(const std::string& caption, const std::vector<Heading>& headings, const std::string& css)
    : caption_(fmt::format(
          "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{0}\">\n<table class=\"{1}\">\n"
          "<caption>{0}</caption>\n",
          html(caption), html(css))) {
  for (const auto& heading : headings) {
    numbers_.push_back(heading.number);
    head_ += fmt::format("<th scope=\"col\"{}{}>{}</th>", heading.number ? " class=\"n\"" : "",
                         attribute("title", heading.title), html(heading.text));
  }
}

void HtmlTable::row(const std::vector<Cell>& cells, const std::string& id) {
  ++rows_;
  body_ += fmt::format("<tr{}>", attribute("id", id));
  for (size_t i = 0; i < cells.size(); ++i) {
    const bool number = i < numbers_.size() && numbers_[i];
    body_ += i == 0 ? cell_html(cells[i], "th", " scope=\"row\"", number) : cell_html(cells[i], "td", "", number);
  }
  body_ += "</tr>\n";
}

std::string HtmlTable::text() const {
  return fmt::format("{}<thead><tr>{}</tr></thead>\n<tbody>\n{}</tbody>\n</table>\n</div>\n", caption_, head_, body_);
}

}  // namespace assay
