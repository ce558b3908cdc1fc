#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "harness/bench/bench.h"

namespace assay {

/// What `assay bench` measured, for programs, with every sample; `google_benchmark` holds Google Benchmark's own JSON.
nlohmann::json bench_json(const Cpu& cpu, const BenchResult& result, const std::string& date);

/// One kernel at one shape as lines of text, for the terminal.
std::string bench_text(const ShapeTimings& shape);

}  // namespace assay
