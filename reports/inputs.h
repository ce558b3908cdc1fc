#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "harness/check/check.h"
#include "harness/runtime/cpu.h"
#include "reports/summary.h"

namespace assay {

/// What the commands' files say, as summaries: of `assay bench --out`, `check --json`, profiles of `tune`, `predict --json`,
/// `bench-model -o json`, results of ci/matrix.py on emulated CPUs, and summaries. Those of one CPU become one, unless two have times of
/// a kernel at one shape: then the later begins a run of its own. Those that do not say of which CPU they are belong to the one before.
/// Throws InputError naming the file and what is wrong with it.
std::vector<Report> read_reports(const std::vector<std::string>& paths);

/// "2026-11-30", in UTC.
std::string today();

// The same from what a command has just found.
void add_cpu(Report& summary, const Cpu& cpu);
void add_source(Report& summary, const std::string& command);
/// As nlohmann::json of bench_json, of verdicts' to_json, and of a profile.
void add_bench(Report& summary, const nlohmann::json& report);
void add_verdicts(Report& summary, const nlohmann::json& verdicts);
void add_profile(Report& summary, const nlohmann::json& profile);

/// Verdicts' to_json, in an array.
nlohmann::json to_json(const std::vector<Verdict>& verdicts);

}  // namespace assay
