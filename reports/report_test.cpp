// Reports: what is read, what is kept, and what Markdown and page say of it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>

#include "harness/check/judge.h"
#include "harness/runtime/atomic_file.h"
#include "harness/runtime/testing.h"
#include "reports/figures.h"
#include "reports/inputs.h"
#include "reports/markdown.h"
#include "reports/page/html.h"
#include "reports/page/page.h"
#include "reports/question.h"

namespace assay {
namespace {

constexpr const char* kHostile = "</script><script>alert(1)</script>\"'&<b>\n\x1b[31m|*`";

nlohmann::json cpu_json(const std::string& brand) {
  return {{"vendor", "AuthenticAMD"},
          {"brand", brand},
          {"family", 25},
          {"model", 1},
          {"stepping", 1},
          {"features", {"avx", "avx2"}},
          {"xcr0", "0x7"},
          {"caches", {{"l1d", 32768}, {"l2", 524288}, {"l3", 33554432}}},
          {"isas", {{{"isa", "avx2"}, {"runnable", true}, {"reason", ""}}}}};
}

nlohmann::json timing_json(const std::string& variant, double median) {
  return {{"variant", variant},
          {"median_ns", median},
          {"low_ns", 0.99 * median},
          {"high_ns", 1.02 * median},
          {"samples_ns", {median, 1.01 * median, 1.3 * median}},
          {"generation_ns", variant.starts_with("jit") ? 5000.0 : 0.0}};
}

/// As `assay bench --out` writes it: two sizes of a kernel, of which the choice differs.
nlohmann::json bench_report(const std::string& brand, double factor = 1) {
  auto shapes = nlohmann::json::array();
  for (const bool large : {false, true}) {
    const double ns = factor * (large ? 1000 : 100);
    shapes.push_back({{"kernel", "add_f32"},
                      {"class", large ? "L2" : "L1"},
                      {"dims", {"n"}},
                      {"shape", {large ? 20000 : 2000}},
                      {"ops", large ? 20000 : 2000},
                      {"bytes_read", large ? 160000 : 16000},
                      {"bytes_written", large ? 80000 : 8000},
                      {"limit", large ? "L2 bandwidth" : "L1 bandwidth"},
                      {"limit_ns", factor * (large ? 800 : 80)},
                      {"timings",
                       {timing_json("auto_v3", 1.5 * ns), timing_json("avx2", large ? 1.2 * ns : ns),
                        timing_json("jit_avx2", large ? ns : 1.1 * ns)}},
                      {"probe_ns", {50, 51, 90}},
                      {"quiet", {0, 1}},
                      {"control", {{"variant", "jit_avx2"}, {"ratio", 1.004}, {"samples_ns", {ns, ns, 1.2 * ns}}}},
                      {"winner", large ? "jit_avx2" : "avx2"},
                      {"runner_up", large ? "avx2" : "jit_avx2"},
                      {"tie", false}});
  }
  return {{"schema_version", 1},
          {"date", "2026-11-30"},
          {"version", "0.1.0"},
          {"build", "b"},
          {"cpu", cpu_json(brand)},
          {"peak",
           {{"f32", {{"instruction", "vfmadd231ps ymm"}, {"per_second", 1e11}}},
            {"bytes_per_second",
             {{"L1", {{"read", 3e11}, {"write", 1e11}, {"mixed", 3.1e11}}},
              {"mem", {{"read", 2e10}, {"write", 1e10}, {"mixed", 2e10}}}}},
            {"not_measured", ""}}},
          {"shapes", shapes}};
}

nlohmann::json verdict_json(const std::string& variant, const std::string& status, uint64_t samples) {
  std::vector<uint64_t> bound(kBoundBins), ulp(kUlpBins);
  bound[0] = 75;
  bound[8] = 25;
  ulp[1] = 100;
  return {{"kernel", "add_f32"},
          {"variant", variant},
          {"status", status},
          {"reason", status == "pass" ? "" : kHostile},
          {"samples", samples},
          {"max_ulp", 0.5},
          {"worst_error_over_bound", 0.83},
          {"bound_bins", bound},
          {"ulp_bins", ulp}};
}

class Reports : public testing::Test {
 protected:
  std::string write(const std::string& name, const nlohmann::json& report) {
    write_file_atomically(folder_.path(name), report.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    return folder_.path(name);
  }
  TemporaryFolder folder_;
};

size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) {
    ++count;
  }
  return count;
}

TEST(Html, EscapesWhatTagsAndAttributesEndAt) {
  EXPECT_EQ(html("a<b>&\"c\"'"), "a&lt;b&gt;&amp;&quot;c&quot;&#39;");
  EXPECT_EQ(script_json({{"a", "</script>"}}).find('<'), std::string::npos);
}

TEST_F(Reports, TheFilesOfOneCpuAreOneReport) {
  const auto reports =
      read_reports({write("check.json", {verdict_json("avx2", "pass", 2000), verdict_json("x87", "fail", 3)}),
                    write("bench.json", bench_report("A")),
                    write("skylake-x.json", {{"cpu", "skylake-x"},
                                             {"cells", {{"add_f32/avx512", {{"status", "pass"}, {"samples", 60}}}}}}),
                    write("model.json", {{{"model_filename", "/a/b/m.gguf"},
                                          {"model_type", "llama Q4_0"},
                                          {"n_prompt", 0},
                                          {"n_gen", 128},
                                          {"avg_ts", 12.5},
                                          {"stddev_ts", 0.5},
                                          {"n_threads", 2},
                                          {"bandwidth_share", nullptr},
                                          {"kernels", {{{"kernel", "matmul_q4_0"}, {"share", 0.9}}}}}})});
  ASSERT_EQ(reports.size(), 1u);
  const Report& s = reports[0];
  EXPECT_EQ(s.cpu.brand, "A");
  ASSERT_EQ(s.kernels.size(), 1u);
  EXPECT_EQ(s.kernels[0].shapes.size(), 2u);
  EXPECT_EQ(s.models.at(0).test, "tg128");
  EXPECT_EQ(s.rounds.ns.size(), 3u);
  EXPECT_EQ(s.rounds.quiet.size(), 2u);
  const Glance g = glance_of(s);
  EXPECT_EQ(g.passed, 1u);
  EXPECT_EQ(g.failed, 1u);
  EXPECT_EQ(g.shapes, 2u);
  EXPECT_EQ(g.faster, 2u);
  EXPECT_NEAR(g.mean_speedup, 1.5, 1e-9);
  EXPECT_NEAR(g.median_share, 0.8, 1e-9);
  const std::string page = page_of(reports, {});
  for (const char* part : {"skylake-x", "✓ emulated", "✓ 2,000", "✗ fail", "100.0 ns", "1.00 µs", "matmul_q4_0",
                           "12.50", "id=\"add_f32/L1\"", "disturbed", "avx2</td><td>jit_avx2"}) {
    EXPECT_NE(page.find(part), std::string::npos) << part;
  }
}

TEST_F(Reports, MarkdownAndPageOfTheSummaryAreThoseOfTheRun) {
  const std::string run = write("bench.json", bench_report(kHostile));
  auto from_run = read_reports({run});
  write_file_atomically(folder_.path("kept.json"), summary_text(from_run[0]));
  auto from_summary = read_reports({folder_.path("kept.json")});
  from_summary[0].name = from_run[0].name;
  EXPECT_EQ(markdown_of(from_run[0]), markdown_of(from_summary[0]));
  EXPECT_EQ(page_of(from_run, {}), page_of(from_summary, {}));
  EXPECT_EQ(summary_text(from_summary[0]), summary_text(from_run[0]));
}

TEST_F(Reports, WhatAFileSaysIsShownAndNotObeyed) {
  auto bench = bench_report(kHostile);
  bench["shapes"][0]["kernel"] = kHostile;
  bench["shapes"][1]["class"] = kHostile;
  bench["shapes"][1]["timings"][0]["variant"] = kHostile;
  const auto reports = read_reports(
      {write("bench.json", bench), write("check.json", nlohmann::json::array({verdict_json(kHostile, "fail", 1)}))});
  const Charts charts{"function vegaEmbed() {}", "licence"};
  const std::string page = page_of(reports, charts);
  // What opens a script is the page's own: the library, the page's script, the data, and the charts' specifications.
  EXPECT_EQ(page.find("alert(1)</script>"), std::string::npos);
  EXPECT_EQ(count_of(page, "<script"), count_of(page, "</script>"));
  EXPECT_EQ(count_of(page, "<script>"), 2u);
  EXPECT_EQ(page.find('\x1b'), std::string::npos);
  EXPECT_EQ(page.find("<b>"), std::string::npos);
  EXPECT_EQ(markdown_of(reports[0]).find("<script"), std::string::npos);
}

TEST_F(Reports, EachChartHasItsSpecificationItsWordsAndItsTable) {
  const auto reports = read_reports({write("bench.json", bench_report("A")),
                                     write("check.json", nlohmann::json::array({verdict_json("avx2", "pass", 2000)}))});
  const std::string page = page_of(reports, {"function vegaEmbed() {}", "licence"});
  const std::regex chart(
      "<figcaption>([^<]+)</figcaption>\n<div class=\"chart\" data-spec=\"([^\"]+)\"[^>]*></div>\n<script "
      "type=\"application/json\" id=\"([^\"]+)\">([^<]+)</script>\n</figure>\n<details>");
  size_t charts = 0;
  for (std::sregex_iterator it(page.begin(), page.end(), chart), end; it != end; ++it) {
    ++charts;
    EXPECT_EQ((*it)[2], (*it)[3]);
    EXPECT_GT((*it)[1].length(), 40);
    EXPECT_TRUE(nlohmann::json::accept((*it)[4].str()));
  }
  EXPECT_EQ(charts, 5u);  // question, roofline, sizes, rounds, errors
  EXPECT_EQ(charts, count_of(page, "class=\"chart\""));
  EXPECT_EQ(page.find("http:"), std::string::npos);
  EXPECT_EQ(page.find("https:"), std::string::npos);
}

TEST_F(Reports, TwoRunsOfOneCpuAreBeforeAndAfter) {
  const auto reports =
      read_reports({write("before.json", bench_report("A")), write("after.json", bench_report("A", 1.25))});
  ASSERT_EQ(reports.size(), 2u);
  const std::string page = page_of(reports, {});
  EXPECT_NE(page.find("Before and after"), std::string::npos);
  EXPECT_NE(page.find("▼ 1.250<small> slower"), std::string::npos);
  EXPECT_NE(page.find("id=\"add_f32/L1\""), std::string::npos);
  EXPECT_NE(page.find("id=\"2:add_f32/L1\""), std::string::npos);
}

TEST_F(Reports, TwoCpusAreBesideEachOtherAndInASite) {
  const auto reports = read_reports({write("a.json", bench_report("A")), write("b.json", bench_report("B"))});
  ASSERT_EQ(reports.size(), 2u);
  EXPECT_NE(page_of(reports, {}).find("Times of two machines are not compared"), std::string::npos);
  write_site(folder_.path("site"), reports, {});
  for (const char* name : {"a.html", "b.html", "all.html", "index.html"}) {
    EXPECT_TRUE(std::filesystem::exists(folder_.path("site") + "/" + name)) << name;
  }
  auto twice = reports;
  twice[1].name = "a";
  EXPECT_THROW(write_site(folder_.path("site"), twice, {}), InputError);
}

TEST_F(Reports, WhatIsNoReportIsRefusedByName) {
  auto negative = bench_report("A");
  negative["shapes"][0]["timings"][0]["median_ns"] = "fast";
  auto other_version = bench_report("A");
  other_version["schema_version"] = 99;
  for (const auto& bad :
       {nlohmann::json(1), nlohmann::json::array(), nlohmann::json::object(), negative, other_version,
        nlohmann::json{{"assay_summary", 2}},
        nlohmann::json{{"assay_summary", 1},
                       {"kernels", {{{"name", "k"}, {"variants", {{{"variant", "v"}, {"times", {{1, 2, 3}}}}}}}}}},
        nlohmann::json{{"assay_summary", 1}, {"kernels", {{{"name", "k"}}, {{"name", "k"}}}}}}) {
    const std::string path = write("bad.json", bad);
    try {
      read_reports({path});
      ADD_FAILURE() << bad.dump();
    } catch (const InputError& e) {
      EXPECT_NE(std::string(e.what()).find("bad.json"), std::string::npos) << e.what();
    }
  }
  EXPECT_THROW(read_reports({write("check.json", nlohmann::json::array({verdict_json("avx2", "pass", 1)}))}),
               InputError);  // of which CPU?
}

/// Committed Markdown is what its summary makes, and both are small.
TEST(CommittedReports, AreMadeFromTheirSummaries) {
  size_t found = 0;
  for (const auto& entry : std::filesystem::directory_iterator(ASSAY_SOURCE_DIR "/reports")) {
    if (entry.path().extension() != ".json") {
      continue;
    }
    ++found;
    EXPECT_LT(std::filesystem::file_size(entry), 300u << 10) << entry.path();
    const Report s = read_reports({entry.path()}).at(0);
    auto markdown = entry.path();
    markdown.replace_extension(".md");
    const std::string again = fmt::format("assay report {} --md {}", entry.path().string(), markdown.string());
    EXPECT_EQ(read_small_file(markdown, 4 << 20), markdown_of(s)) << again;
    EXPECT_EQ(read_small_file(entry.path(), 4 << 20), summary_text(s));
  }
  EXPECT_GT(found, 0u);
}

TEST(ReportQuestion, OtherCompilersEffortAndLinesAreTold) {
  nlohmann::json bench = bench_report("Zen 3");
  bench["origins"] = {{{"name", "auto"}, {"version", "GCC 12.2.0 -O3"}},
                      {{"name", "clang"}, {"version", "19.1.7 -O3"}}};
  for (auto& shape : bench["shapes"]) {
    const double gcc = shape["timings"][0]["median_ns"];
    shape["timings"].push_back(timing_json("scalar", 8 * gcc));
    shape["timings"].push_back(timing_json("clang:v3", gcc / 2));
    shape["timings"].push_back(timing_json("naive_gcc:O3-v3", 10 * gcc));
    shape["timings"].push_back(timing_json("naive_gcc:Ofast-v3", 0.01 * gcc));
    for (auto& timing : shape["timings"]) {
      const std::string variant = timing["variant"];
      timing["lines"] = variant == "scalar" ? 10 : variant == "avx2" ? 30 : variant == "jit_avx2" ? 50 : 0;
      timing["shared_lines"] = variant == "avx2" ? 90 : 0;
    }
  }
  Report summary;
  add_bench(summary, bench);
  add_verdicts(summary, {{{"kernel", "add_f32"},
                          {"variant", "naive_gcc:Ofast-v3"},
                          {"status", "claimed"},
                          {"samples", 9},
                          {"claim", {{"text", "one sum"}}}}});
  summary = as_kept(summary);
  const PlainTable compilers = compilers_table(summary);
  EXPECT_EQ(compilers.headings[1], "GCC: of the limit");
  EXPECT_EQ(compilers.headings[3], "clang / GCC");
  ASSERT_EQ(compilers.rows.size(), 1u);
  EXPECT_TRUE(compilers.rows[0][3].starts_with("2.00 (")) << compilers.rows[0][3];
  EXPECT_NE(compilers.words.find("clang 19.1.7 -O3"), std::string::npos) << compilers.words;
  EXPECT_NE(compilers.words.find(
                "of 1 kernels clang's best is faster than GCC's beyond the intervals for 1, and slower for 0"),
            std::string::npos)
      << compilers.words;
  // The compiler's best is that of any compiler: clang's here, 0.75 of the time by hand at the first size.
  EXPECT_LT(speedup(summary.kernels[0], Maker::hand).ratio, 1);
  const PlainTable effort = effort_table(summary);
  ASSERT_EQ(effort.rows.size(), 1u);
  EXPECT_TRUE(effort.rows[0][5].starts_with("20.00 (")) << effort.rows[0][5];
  EXPECT_TRUE(effort.rows[0][6].starts_with("0.02 (")) << effort.rows[0][6];
  // What is claimed is never the best.
  EXPECT_EQ(best_of(summary.kernels[0], 0).variant->variant, "clang:v3");
  const PlainTable lines = lines_table(summary);
  ASSERT_EQ(lines.rows.size(), 1u);
  EXPECT_EQ(lines.rows[0], (std::vector<std::string>{"add_f32", "10 + 0", "30 + 90", "1", "50 + 0", "1"}));
  EXPECT_NE(lines.words.find("3.0 times the lines"), std::string::npos) << lines.words;
  for (const PlainTable& table : question_tables(summary)) {
    EXPECT_NE(markdown_of(summary).find("### " + table.title), std::string::npos);
  }
}

TEST(ReportQuestion, WithOneCompilerAndNoLinesNothingIsAsked) {
  Report summary;
  add_bench(summary, bench_report("Zen 3"));
  EXPECT_TRUE(question_tables(summary).empty());
}

TEST(ReportQuestion, NamesOfPluginsTellWhoMadeThem) {
  EXPECT_EQ(maker_of("clang:v3"), Maker::compiler);
  EXPECT_EQ(maker_of("clang:v3-select"), Maker::compiler);
  EXPECT_EQ(maker_of("naive_clang:O3-v4"), Maker::naive);
  EXPECT_EQ(maker_of("clangs:v3"), Maker::foreign);
  EXPECT_EQ(compiler_of("auto_v4"), "auto");
  EXPECT_EQ(compiler_of("avx2"), "");
}

}  // namespace
}  // namespace assay
