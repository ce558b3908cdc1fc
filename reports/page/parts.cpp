// What the sections of a page have in common.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "reports/figures.h"
#include "reports/page/html.h"
#include "reports/page/sections.h"

namespace assay {

std::string section_html(const std::string& id, const std::string& title, const std::string& body) {
  return fmt::format("<section id=\"{0}\">\n<h2><a href=\"#{0}\">{1}</a></h2>\n{2}</section>\n", html(id), html(title),
                     body);
}

std::string details_html(const std::string& summary, const std::string& body, const std::string& id) {
  return fmt::format("<details{}>\n<summary>{}</summary>\n{}</details>\n",
                     id.empty() ? "" : fmt::format(" id=\"{}\"", html(id)), html(summary), body);
}

std::string chart_html(const PagePart& part, const std::string& id, const std::string& words,
                       const nlohmann::json& spec, const std::string& table) {
  const std::string name = html(part.id(id));
  if (!part.charts) {
    return fmt::format("<p>{}</p>\n{}", html(words), table);
  }
  return fmt::format(
      "<figure>\n<figcaption>{}</figcaption>\n<div class=\"chart\" data-spec=\"{}-spec\" role=\"group\" "
      "aria-label=\"{}\"></div>\n"
      "<script type=\"application/json\" id=\"{}-spec\">{}</script>\n</figure>\n{}",
      html(words), name, html(words), name, script_json(spec), details_html("The same as a table", table));
}

nlohmann::json maker_encoding(const nlohmann::json& values) {
  auto domain = nlohmann::json::array();
  auto colours = nlohmann::json::array();
  for (const Maker maker : kMakers) {
    const std::string name = to_string(maker);
    if (std::ranges::any_of(values, [&](const nlohmann::json& value) { return value["maker"] == name; })) {
      domain.push_back(name);
      // The page's style says which colour that is, in light and in dark.
      colours.push_back(fmt::format("var(--maker-{})", static_cast<int>(maker)));
    }
  }
  const auto channel = [](const nlohmann::json& scale) {
    return nlohmann::json{{"field", "maker"}, {"type", "nominal"}, {"title", nullptr}, {"scale", scale}};
  };
  return {{"color", channel({{"domain", domain}, {"range", colours}})}, {"shape", channel({{"domain", domain}})}};
}

std::string percent_text(double share) {
  return share <= 0 ? "?" : share < 0.0995 ? fmt::format("{:.1f}%", 100 * share) : fmt::format("{:.0f}%", 100 * share);
}

}  // namespace assay
