// The rounds of one timing: how a median comes about, and what a shared machine does to it.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "reports/figures.h"
#include "reports/page/html.h"
#include "reports/page/sections.h"

namespace assay {
namespace {

bool counts_round(const RoundsSummary& rounds, size_t i) {
  return std::ranges::count(rounds.quiet, static_cast<double>(i)) != 0;
}

nlohmann::json rounds_chart(const RoundsSummary& rounds) {
  auto values = nlohmann::json::array();
  const std::string control = fmt::format("{} again (A/A)", rounds.variant);
  for (size_t i = 0; i < rounds.ns.size(); ++i) {
    const bool counts = counts_round(rounds, i);
    values.push_back({{"round", i + 1}, {"what", rounds.variant}, {"ns", rounds.ns[i]}, {"counts", counts}});
    values.push_back({{"round", i + 1}, {"what", control}, {"ns", rounds.control_ns[i]}, {"counts", counts}});
  }
  const nlohmann::json names = {rounds.variant, control};
  const nlohmann::json what = {
      {"field", "what"}, {"type", "nominal"}, {"title", nullptr}, {"scale", {{"domain", names}}}};
  const nlohmann::json y = {
      {"field", "ns"}, {"type", "quantitative"}, {"title", "ns for one call"}, {"scale", {{"zero", false}}}};
  nlohmann::json median = y;
  median["aggregate"] = "median";
  const nlohmann::json x = {{"field", "round"},
                            {"type", "quantitative"},
                            {"axis", {{"tickMinStep", 1}}},
                            {"scale", {{"padding", 14}, {"nice", false}, {"zero", false}}}};
  const auto points = [&](const char* which, bool filled) {
    return nlohmann::json{{"transform", nlohmann::json::array({{{"filter", which}}})},
                          {"mark",
                           {{"type", "point"},
                            {"filled", filled},
                            {"size", 60},
                            {"strokeWidth", 1.5},
                            {"opacity", 0.9},
                            {"tooltip", {{"content", "data"}}}}},
                          {"encoding", {{"x", x}, {"y", y}, {"color", what}, {"shape", what}}}};
  };
  return {{"data", {{"values", values}}},
          {"width", "container"},
          {"height", 260},
          {"layer",
           {{{"transform", nlohmann::json::array({{{"filter", "datum.counts"}}})},
             {"mark", {{"type", "rule"}, {"strokeDash", {4, 3}}}},
             {"encoding", {{"y", median}, {"color", what}}}},
            points("datum.counts", true),
            points("!datum.counts", false)}}};
}

}  // namespace

std::string rounds_html(const PagePart& part) {
  const RoundsSummary& rounds = part.summary.rounds;
  if (rounds.ns.empty()) {
    return "";
  }
  HtmlTable table(fmt::format("Rounds of {}/{} at {}", rounds.kernel, rounds.variant, rounds.label),
                  {{"round"}, {rounds.variant}, {"again (A/A)"}, {"probe"}, {"", false}});
  size_t disturbed = 0;
  for (size_t i = 0; i < rounds.ns.size(); ++i) {
    const bool counts = counts_round(rounds, i);
    disturbed += !counts;
    table.row({{fmt::format("{}", i + 1)},
               {time_text(rounds.ns[i])},
               {time_text(rounds.control_ns[i])},
               {time_text(rounds.probe_ns[i])},
               {counts ? "counts" : "disturbed", "", counts ? "" : "claimed"}});
  }
  const std::string words = fmt::format(
      "{}/{} at {}, the timing of this run that was disturbed most: {} of {} rounds were, as the probe of the L2 cache "
      "before each "
      "tells, and do not count (hollow). Beside it the same variant timed once more in each round: what they differ by "
      "is noise. "
      "Dashed: the medians of the rounds that count.",
      rounds.kernel, rounds.variant, rounds.label, disturbed, rounds.ns.size());
  return section_html(part.id("rounds"), "The rounds of one timing",
                      chart_html(part, "rounds-chart", words, rounds_chart(rounds), table.text()));
}

}  // namespace assay
