#pragma once
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "harness/bench/bench.h"
#include "harness/check/trial.h"
#include "harness/predict/disassembly.h"
#include "harness/runtime/cpu.h"
#include "harness/runtime/registry.h"

namespace assay {

/// A CPU that llvm-mca has a scheduling model of.
struct CpuModel {
  std::string name;  ///< as llvm-mca's --mcpu has it
  Cpu cpu;           ///< its features, for isa_status()

  /// Whether `other` is a CPU of this kind.
  bool matches(const Cpu& other) const;
};

const std::vector<CpuModel>& cpu_models();
/// Throws InputError that lists the names.
const CpuModel& find_cpu_model(std::string_view name);

struct LlvmTools {
  std::string mca, mc, objdump;
};
/// Throws MachineError naming the Debian package if one is missing.
LlvmTools find_llvm_tools();

/// Throws MachineError naming the Debian package if llvm-mca does not know that CPU.
void expect_known_cpu(const LlvmTools& tools, const std::string& cpu);

/// Cycles for one iteration of each region, from llvm-mca's JSON. Throws MachineError if it is not what is expected.
std::vector<double> parse_mca_json(std::string_view text, size_t regions);

struct PredictedLoop {
  std::string place;  ///< "dot_f32_avx2+0x40", where the loop begins
  size_t instructions = 0;
  std::string caveat;               ///< see Loop::caveat()
  double cycles_per_iteration = 0;  ///< predicted
  double iterations = 0;            ///< in one call, counted by single steps; 0: not counted
  double share = 0;                 ///< of the instructions that one call executes; 0: not counted
};

/// What llvm-mca says of one variant, and what was measured where that was asked for.
struct Prediction {
  std::string kernel, variant;
  ShapeClass shape_class;  ///< counted and measured at this shape
  std::string unit;        ///< "element" of the only size, or "op" as the trial counts work
  double units_per_call = 0;
  std::string missing;                  ///< why there is no prediction; "" if there is
  std::vector<PredictedLoop> loops;     ///< the main loop first: the one that executes most instructions, or, where the
                                        ///< code cannot run here, the one that handles most bytes
  bool counted = false;                 ///< iterations and shares were counted
  std::string not_counted;              ///< why they were not
  double measured_cycles_per_call = 0;  ///< 0: not measured

  double units_per_iteration() const;        ///< of the main loop; 0: not derived
  double cycles_per_unit() const;            ///< predicted, of the main loop; 0: not derived, or as for ratio()
  double predicted_cycles_per_call() const;  ///< all loops that take 1% or more of the instructions; 0: not derived
  double covered() const;                    ///< share of the call's instructions that these loops are
  /// Measured / predicted cycles per call; 0: not known, or less than half of the call is predicted.
  double ratio() const;
};

struct PredictOptions {
  std::string kernel_glob = "*";
  std::string variant_glob = "*";
  std::function<void(const std::string&)> on_progress;
};

/// Throws InputError if nothing matches, MachineError if a tool is missing.
std::vector<Prediction> predict(const Cpu& here, const CpuModel& model, const PredictOptions& options);

/// Times the predicted variants with Google Benchmark and fills in measured_cycles_per_call. Only variants that pass a
/// check are timed. Returns the core clock in GHz, lowest and highest, as a chain of dependent additions told it
/// between the kernels: the time-stamp counter does not count core cycles.
std::pair<double, double> measure(const Cpu& here, const PredictOptions& options, std::vector<Prediction>& predictions);

/// Core clock in GHz, now.
double core_ghz();

/// Median and worst ratio of the measured variants of one ISA.
struct RatioSummary {
  size_t count = 0;
  double median = 0, worst = 0;  ///< worst: farthest from 1 either way
  std::string worst_variant;
};
RatioSummary summarise_ratios(const std::vector<Prediction>& predictions, std::string_view isa);

nlohmann::json to_json(const Prediction& prediction);

}  // namespace assay
