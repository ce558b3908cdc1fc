#include "reports/inputs.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>

#include "harness/runtime/atomic_file.h"
#include "harness/runtime/error.h"
#include "harness/runtime/profile.h"
#include "harness/runtime/text.h"
#include "reports/join.h"

namespace assay {
namespace {

constexpr size_t kMostRounds = 50;  // that a summary keeps of one timing

std::string text_in(const nlohmann::json& object, const char* key) { return object.value(key, std::string()); }

double number_in(const nlohmann::json& object, const char* key) {
  const auto at = object.find(key);  // null where it is not known
  return at == object.end() || at->is_null() ? 0 : at->get<double>();
}

void read_cpu(CpuSummary& to, const nlohmann::json& cpu) {
  to.vendor = text_in(cpu, "vendor");
  to.brand = text_in(cpu, "brand");
  to.codename = text_in(cpu, "codename");
  to.xcr0 = text_in(cpu, "xcr0");
  to.family = number_in(cpu, "family");
  to.model = number_in(cpu, "model");
  to.stepping = number_in(cpu, "stepping");
  to.features = cpu.value("features", std::vector<std::string>());
  const auto caches = cpu.value("caches", nlohmann::json::object());
  to.l1d = number_in(caches, "l1d");
  to.l2 = number_in(caches, "l2");
  to.l3 = number_in(caches, "l3");
  for (const auto& isa : cpu.value("isas", nlohmann::json::array())) {
    to.isas.push_back({text_in(isa, "isa"), text_in(isa, "reason"), isa.value("runnable", false)});
  }
}

void read_peak(Report& to, const nlohmann::json& peak) {
  to.no_limits = text_in(peak, "not_measured");
  for (const char* name : {"f32", "int8", "lookups"}) {
    const auto rate = peak.find(name);
    if (rate != peak.end() && number_in(*rate, "per_second") > 0) {
      to.rates.push_back({name, text_in(*rate, "instruction"), number_in(*rate, "per_second")});
    }
  }
  const auto levels = peak.value("bytes_per_second", nlohmann::json::object());
  for (const char* name : {"L1", "L2", "L3", "mem"}) {
    if (const auto level = levels.find(name); level != levels.end()) {
      to.levels.push_back({name, number_in(*level, "read"), number_in(*level, "write"), number_in(*level, "mixed")});
    }
  }
}

/// Counts as parts of 10,000, no count as none.
std::vector<double> shares_of(const std::vector<double>& counts) {
  const double all = std::accumulate(counts.begin(), counts.end(), 0.0);
  std::vector<double> shares;
  for (const double count : counts) {
    shares.push_back(count == 0 ? 0 : std::max(1.0, std::round(10000 * count / all)));
  }
  return all == 0 ? std::vector<double>() : shares;
}

VariantSummary verdict_in(const nlohmann::json& v) {
  VariantSummary read;
  read.status = text_in(v, "status");
  read.samples = number_in(v, "samples");
  read.max_ulp = number_in(v, "max_ulp");
  read.over_bound = number_in(v, "worst_error_over_bound");
  read.ulp_bins = shares_of(v.value("ulp_bins", std::vector<double>()));
  read.bound_bins = shares_of(v.value("bound_bins", std::vector<double>()));
  if (read.status == "claimed") {
    read.reason = text_in(v.value("claim", nlohmann::json::object()), "text");
  } else if (read.status != "pass") {
    read.reason = text_in(v, "reason");
  }
  return read;
}

void read_times(KernelSummary& kernel, size_t index, const nlohmann::json& shape) {
  const double file_bytes = number_in(shape, "file_bytes");
  for (const auto& t : shape.at("timings")) {
    VariantSummary& v = variant_of(kernel, t.at("variant").get<std::string>());
    v.times.resize(index);  // not timed at those before
    v.times.push_back({number_in(t, "median_ns"), number_in(t, "low_ns"), number_in(t, "high_ns")});
    v.lines = number_in(t, "lines");
    v.shared_lines = number_in(t, "shared_lines");
    if (number_in(t, "generation_ns") > 0) {
      v.generation_ns = number_in(t, "generation_ns");
    }
    if (number_in(t, "packed_bytes") > 0 && file_bytes > 0 && number_in(t, "packing_ns") > 0) {
      v.packed_share = number_in(t, "packed_bytes") / file_bytes;
      v.packing_rate = 1e9 * file_bytes / number_in(t, "packing_ns");
    }
  }
}

/// The class's name: those of one class at other sizes are told by the share of its own.
std::string label_in(const nlohmann::json& shape) {
  const auto label = shape.at("class").get<std::string>();
  const double percent = number_in(shape, "percent");
  return percent == 0 || percent == 100 ? label : fmt::format("{} x {:g}", label, percent / 100);
}

void read_shape(Report& to, const nlohmann::json& shape) {
  KernelSummary& kernel = to.kernel(shape.at("kernel").get<std::string>());
  if (shape.contains("dims")) {
    kernel.dims = shape.at("dims").get<std::vector<std::string>>();
  }
  ShapeSummary s;
  s.label = label_in(shape);
  s.sizes = shape.at("shape").get<std::vector<double>>();
  s.cold = shape.value("cold", false);
  s.ragged = shape.value("ragged", false);
  s.ops = number_in(shape, "ops");
  s.bytes = number_in(shape, "bytes_read") + number_in(shape, "bytes_written");
  s.limit = text_in(shape, "limit");
  s.limit_ns = number_in(shape, "limit_ns");
  s.control = number_in(shape.value("control", nlohmann::json::object()), "ratio");
  s.use = text_in(shape, "winner");
  s.next = text_in(shape, "runner_up");
  s.tie = shape.value("tie", false);
  kernel.shapes.push_back(s);
  read_times(kernel, kernel.shapes.size() - 1, shape);
}

/// Keeps the rounds of the timing that was disturbed most, if `shape` is that.
void read_rounds(RoundsSummary& kept, const nlohmann::json& shape, size_t& most_disturbed) {
  const auto probe = shape.value("probe_ns", std::vector<double>());
  const auto quiet = shape.value("quiet", std::vector<double>());
  const auto control = shape.value("control", nlohmann::json::object()).value("samples_ns", std::vector<double>());
  const std::string used = text_in(shape, "winner");
  std::vector<double> ns;
  for (const auto& t : shape.at("timings")) {
    if (text_in(t, "variant") == used) {
      ns = t.value("samples_ns", std::vector<double>());
    }
  }
  const size_t rounds = probe.size();
  if (rounds == 0 || ns.size() != rounds || control.size() != rounds || quiet.empty() || quiet.size() > rounds ||
      (!kept.ns.empty() && rounds - quiet.size() <= most_disturbed)) {
    return;
  }
  most_disturbed = rounds - quiet.size();
  const auto first_of = [](const std::vector<double>& all) {
    return std::vector<double>(all.begin(), all.begin() + static_cast<ptrdiff_t>(std::min(all.size(), kMostRounds)));
  };
  kept = {text_in(shape, "kernel"), label_in(shape), used, first_of(ns), first_of(control), first_of(probe), quiet};
  std::erase_if(kept.quiet, [&](double round) { return round >= static_cast<double>(kept.ns.size()); });
}

void read_predictions(Report& to, const nlohmann::json& report) {
  const std::string model = text_in(report, "predicted_for");
  for (const auto& p : report.at("predictions")) {
    to.predictions.push_back({text_in(p, "kernel"), text_in(p, "variant"), text_in(p, "class"), model,
                              number_in(p, "predicted_cycles_per_call"), number_in(p, "measured_cycles_per_call"),
                              number_in(p, "covered_instructions"), text_in(p, "not_predicted")});
  }
}

void read_models(Report& to, const nlohmann::json& rows) {
  for (const auto& row : rows) {
    ModelSummary m;
    m.model = fmt::format("{} ({})", std::filesystem::path(text_in(row, "model_filename")).filename().string(),
                          text_in(row, "model_type"));
    const double depth = number_in(row, "n_depth");
    m.test = fmt::format("{}{:.0f}{}", number_in(row, "n_prompt") > 0 ? "pp" : "tg",
                         number_in(row, "n_prompt") + number_in(row, "n_gen"),
                         depth > 0 ? fmt::format(" @ d{:.0f}", depth) : "");
    m.threads = number_in(row, "n_threads");
    m.rate = number_in(row, "avg_ts");
    m.deviation = number_in(row, "stddev_ts");
    m.bandwidth_share = number_in(row, "bandwidth_share");
    m.peak_share = number_in(row, "peak_share");
    for (const auto& part : row.value("kernels", nlohmann::json::array())) {
      m.kernels.push_back({text_in(part, "kernel"), number_in(part, "share")});
    }
    to.models.push_back(m);
  }
}

/// What ci/matrix.py found on one CPU.
void read_emulated(Report& to, const nlohmann::json& result) {
  const std::string name = text_in(result, "cpu");
  if (name == "native") {
    return;
  }
  to.emulated_cpus.push_back(name);
  for (const auto& [variant, cell] : result.at("cells").items()) {
    const size_t slash = variant.find('/');
    if (slash == std::string::npos) {
      throw InputError(fmt::format("{} is no kernel/variant", quote(variant)));
    }
    VariantSummary& v = variant_of(to.kernel(variant.substr(0, slash)), variant.substr(slash + 1));
    const std::string status = text_in(cell, "status");
    v.emulated.resize(to.emulated_cpus.size() - 1);
    v.emulated.push_back(status == "pass" ? number_in(cell, "samples") : status == "fail" ? -1 : 0);
  }
}

/// One file, by what it holds.
Report read_one(const std::string& path) {
  constexpr size_t kLargest = size_t{256} << 20;
  constexpr int kDeepest = 32;
  const std::string text = read_small_file(path, kLargest);
  Report s;
  try {
    nlohmann::json json = parse_json(text, kDeepest);
    const auto is_list_of = [&](const char* field) {
      return json.is_array() && !json.empty() && json.front().is_object() && json.front().contains(field);
    };
    const auto has = [&](const char* field) { return json.is_object() && json.contains(field); };
    if (has("assay_summary")) {
      s = parse_summary(path, text);
    } else {
      clean_text(json);
      if (has("shapes") && has("peak")) {
        add_bench(s, json);
      } else if (has("choices") && has("cpu")) {
        add_profile(s, json);
      } else if (has("predictions")) {
        read_predictions(s, json);
      } else if (has("cells")) {
        read_emulated(s, json);
      } else if (is_list_of("avg_ts")) {
        read_models(s, json);
      } else if (is_list_of("status")) {
        add_verdicts(s, json);
      } else {
        throw InputError(
            "is no report: give what `assay bench --out`, `check --json`, `tune --out`, `predict --json`, `bench-model "
            "-o json` or `report --summary` wrote");
      }
    }
  } catch (const nlohmann::json::exception& e) {
    throw InputError(fmt::format("{}: is no report: {}", path, one_line(e.what(), 300)));
  } catch (const InputError& e) {
    const std::string what = e.what();
    throw what.starts_with(path) ? e : InputError(fmt::format("{}: {}", path, one_line(what, 500)));
  }
  s.name = std::filesystem::path(path).stem().string();
  return s;
}

}  // namespace

std::string today() { return fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::time(nullptr))); }

nlohmann::json to_json(const std::vector<Verdict>& verdicts) {
  auto all = nlohmann::json::array();
  for (const auto& v : verdicts) {
    all.push_back(to_json(v));
  }
  return all;
}

void add_cpu(Report& summary, const Cpu& cpu) { read_cpu(summary.cpu, to_json(cpu)); }

void add_source(Report& summary, const std::string& command) {
  summary.sources.push_back({command, today(), ASSAY_VERSION, build_id()});
}

void add_bench(Report& summary, const nlohmann::json& report) {
  if (report.value("schema_version", nlohmann::json()) != 1) {
    throw InputError("is of another schema version of `assay bench --out`; this build reads 1");
  }
  if (!summary.cpu.is_known()) {
    read_cpu(summary.cpu, report.at("cpu"));
  }
  summary.sources.push_back({"bench", text_in(report, "date"), text_in(report, "version"), text_in(report, "build")});
  for (const auto& origin : report.value("origins", nlohmann::json::array())) {
    summary.origins.push_back({text_in(origin, "name"), text_in(origin, "version")});
  }
  read_peak(summary, report.at("peak"));
  size_t most_disturbed = 0;
  for (const auto& shape : report.at("shapes")) {
    read_shape(summary, shape);
    read_rounds(summary.rounds, shape, most_disturbed);
  }
  fill_up(summary);
}

void add_verdicts(Report& summary, const nlohmann::json& verdicts) {
  for (const auto& v : verdicts) {
    const VariantSummary read = verdict_in(v);
    VariantSummary& known =
        variant_of(summary.kernel(v.at("kernel").get<std::string>()), v.at("variant").get<std::string>());
    take_verdict(known, read);
  }
}

void add_profile(Report& summary, const nlohmann::json& profile) {
  if (!summary.cpu.is_known()) {
    read_cpu(summary.cpu, profile.at("cpu"));
  }
  for (const auto& c : profile.at("choices")) {
    summary.choices.push_back({text_in(c, "kernel"), text_in(c, "class"), text_in(c, "variant"), text_in(c, "why")});
  }
}

std::vector<Report> read_reports(const std::vector<std::string>& paths) {
  std::vector<Report> runs;
  Report unknown;  // what came before the first that says its CPU
  for (const auto& path : paths) {
    Report s = read_one(path);
    if (!s.cpu.is_known()) {
      join(runs.empty() ? unknown : runs.back(), s);
      continue;
    }
    const auto known = std::find_if(runs.rbegin(), runs.rend(), [&](const Report& run) {
      return run.cpu.is_same(s.cpu) && !times_the_same(run, s);
    });
    if (known != runs.rend()) {
      join(*known, s);
    } else {
      runs.push_back(std::move(s));
    }
  }
  if (runs.empty()) {
    throw InputError(
        fmt::format("{}: none of the files says of which CPU it is; give one of `assay bench --out` beside, or "
                    "have `assay check --summary` write one",
                    paths.front()));
  }
  join(runs.front(), unknown);
  for (auto& run : runs) {
    run = as_kept(run);
  }
  return runs;
}

}  // namespace assay
