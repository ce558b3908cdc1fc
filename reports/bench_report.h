#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "harness/bench/bench.h"

namespace assay {

/// The measured report of a CPU, for people: Markdown with the machine's limits, every timing beside its limit, and
/// the answer to the old question (hand-written and JIT against the compiler).
std::string bench_markdown(const Cpu& cpu, const BenchResult& result, const std::string& date);

/// The same for programs; `google` holds Google Benchmark's own JSON.
nlohmann::json bench_json(const Cpu& cpu, const BenchResult& result, const std::string& date);

/// That without samples, probes and Google Benchmark's own, numbers to five digits, a shape a line: under 300 KB a CPU, to be
/// kept in reports/.
std::string bench_summary(const Cpu& cpu, const BenchResult& result, const std::string& date);

/// One kernel at one shape as lines of text, for the terminal.
std::string bench_text(const ShapeTimings& shape);

}  // namespace assay
