#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

// What is kept of measuring a CPU: the one source of its report, as Markdown and as a page. It holds no samples but the rounds of one
// timing, so that it is small enough to be committed. Numbers are doubles throughout: a file may say anything, and each double can
// be printed. What is empty or zero is left out of the file.

/// Nanoseconds for one call, with the 95% interval of the median. All 0: not timed.
struct TimeSummary {
  double median = 0, low = 0, high = 0;
};

/// A variant with its verdict and its timings.
struct VariantSummary {
  std::string variant;
  std::string status;     ///< "pass", "claimed", "fail" or "not-runnable"; "": no check is recorded
  std::string reason;     ///< why it failed or cannot run, or what it claims
  double samples = 0;     ///< that were right
  double max_ulp = 0;     ///< the largest error in units of the last place
  double over_bound = 0;  ///< the largest share of the contract's bound
  /// Of each bin (judge.h) the share of the results, in parts of 10,000, at least 1 where there is any. Empty: not recorded, or all exact.
  std::vector<double> ulp_bins, bound_bins;
  /// Samples that passed on each of Report::emulated_cpus; 0: not run there; -1: failed.
  std::vector<double> emulated;
  std::vector<TimeSummary> times;  ///< at each of the kernel's shapes
  double generation_ns = 0;        ///< what its code took to generate: the median over the shapes
  double packed_share = 0;         ///< bytes of its packed weights over those in the file
  double packing_rate = 0;         ///< the file's bytes a second as one thread packs them
  double lines = 0;                ///< of code in its source and what that includes of its kernel's folder
  double shared_lines = 0;         ///< and in what else it includes of kernels/
};

/// A shape that was timed.
struct ShapeSummary {
  std::string label;  ///< "L1", "decode-256", "L2 x 0.7"
  std::vector<double> sizes;
  bool cold = false, ragged = false;
  double ops = 0, bytes = 0;  ///< the least that a call does and moves
  std::string limit;          ///< "L1 bandwidth", "int8 peak", ...
  double limit_ns = 0;        ///< the least time; 0: not measured
  double control = 0;         ///< the A/A control: a variant's time over its own
  std::string use, next;      ///< the variant to use and the runner-up
  bool tie = false;
};

struct KernelSummary {
  std::string name;
  std::vector<std::string> dims;  ///< names of the sizes
  std::vector<ShapeSummary> shapes;
  std::vector<VariantSummary> variants;
};

/// What a profile uses, and why.
struct ChoiceSummary {
  std::string kernel, label, variant, why;
};

/// Cycles of one call: as llvm-mca has it, and as measured.
struct PredictionSummary {
  std::string kernel, variant, label, model;
  double predicted = 0, measured = 0;
  double covered = 0;   ///< the share of the call's instructions that is predicted
  std::string missing;  ///< why there is no prediction
};

/// How fast a model reads or writes.
struct ModelSummary {
  struct Part {
    std::string kernel;
    double share = 0;  ///< of the time
  };
  std::string model, test;
  double threads = 0, rate = 0, deviation = 0;  ///< tokens a second
  double bandwidth_share = 0, peak_share = 0;   ///< of the machine's
  std::vector<Part> kernels;                    ///< where the time goes
};

/// The rounds of one timing: of the variant to use, its A/A control, and the probe that tells which were disturbed.
struct RoundsSummary {
  std::string kernel, label, variant;
  std::vector<double> ns, control_ns, probe_ns;
  std::vector<double> quiet;  ///< numbers of the rounds that count
};

struct RateSummary {
  std::string name, instruction;  ///< "f32", "vfmadd231ps zmm"
  double per_second = 0;
};
struct LevelSummary {
  std::string name;                         ///< "L1", "L2", "L3", "mem"
  double read = 0, written = 0, mixed = 0;  ///< bytes a second
};

struct CpuSummary {
  struct Isa {
    std::string isa, reason;
    bool runnable = false;
  };
  std::string vendor, brand, codename, xcr0;
  double family = 0, model = 0, stepping = 0;
  double l1d = 0, l2 = 0, l3 = 0;  ///< bytes
  std::vector<std::string> features;
  std::vector<Isa> isas;

  bool is_known() const { return !vendor.empty(); }
  /// Whether times of both can be compared: the fields of kCpuIdentity.
  bool is_same(const CpuSummary& other) const;
};

/// A command's part in it.
struct SourceSummary {
  std::string command, date, version, build;
};

/// Whose compiler or library made variants: "auto" is assay's own compiler, others are plug-ins.
struct OriginSummary {
  std::string name, version;  ///< "GCC 12.2.0, -O3 -march=..."
};

struct Report {
  static constexpr int kSchemaVersion = 1;
  std::string name;  ///< of the report, where several are shown: the stem of its file
  CpuSummary cpu;
  std::vector<SourceSummary> sources;
  std::vector<OriginSummary> origins;
  std::vector<RateSummary> rates;
  std::vector<LevelSummary> levels;
  std::string no_limits;  ///< why limits were not measured
  std::vector<std::string> emulated_cpus;
  std::vector<KernelSummary> kernels;
  std::vector<ChoiceSummary> choices;
  std::vector<PredictionSummary> predictions;
  std::vector<ModelSummary> models;
  RoundsSummary rounds;

  KernelSummary& kernel(const std::string& kernel_name);  ///< added, in alphabetical order, if it is new
};

/// The variant of that label, added if it is new.
VariantSummary& variant_of(KernelSummary& kernel, const std::string& label);

/// The file's contents: numbers to four digits, a kernel a line.
std::string summary_text(const Report& summary);

/// What the file says, made fit to be shown: text is cut and has no control characters. Throws InputError naming the file and what is wrong.
Report parse_summary(const std::string& path, std::string_view text);

/// As it is after it was written and read: what a report is made from, so that it is the same from the run and from the file.
Report as_kept(const Report& summary);

/// Makes each text in it a line of at most 300 bytes that is fit for a page and a terminal. JSON from somebody else; it is not deep.
void clean_text(nlohmann::json& json);

}  // namespace assay
