#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "harness/check/case_id.h"
#include "harness/check/judge.h"
#include "harness/check/sample_log.h"
#include "harness/runtime/claim.h"
#include "harness/runtime/cpu.h"
#include "harness/runtime/registry.h"

namespace assay {

/// claimed: it kept what it claims, which is less than its contract.
enum class Status { pass, claimed, fail, not_runnable };
std::string to_string(Status s);

/// What the check says of one variant, with its evidence.
struct Verdict {
  std::string kernel, variant;
  Status status = Status::not_runnable;
  std::string reason;     ///< why it is not runnable (the CPU, or what the machine refused), or what went wrong
  std::string caught_by;  ///< the check that failed: "value", "memory", "canary", "register", "hang", ...
  std::optional<CaseId> failing_case;  ///< what failed, where that was a case
  std::string reproduce;  ///< the command that fails again, for people: of failing_case, where there is one
  uint64_t samples = 0;
  ErrorStats errors;
  std::optional<CaseId> worst_case;  ///< the case with the worst error over bound, where that was a case
  std::string worst;                 ///< the same for people: the case, the input, the command
  uint64_t seed = 0;
  std::vector<Shape> shapes;          ///< that were asked for and checked
  bool threads_left_out = false;      ///< no check was made beside another thread: the system gave none
  const Claim* claim = nullptr;       ///< of a variant that has one
  std::vector<std::string> needless;  ///< what it claims and keeps all the same
  bool claim_accepted = false;        ///< CheckOptions::accept_claims
  std::vector<std::string> failures;  ///< of a check that keeps going: what went wrong in each failed sample

  /// Whether the variant may be timed and chosen.
  bool may_be_chosen() const { return status == Status::pass || (status == Status::claimed && claim_accepted); }
};
/// How a verdict stands to its variant's claim, for people: "errors up to 2 x the bound (0.7 of that), because ..."; "" without a claim.
std::string text_of_claim(const Verdict& v);
nlohmann::json to_json(const Verdict& v);

/// What repeats a case: "assay check --case '...'".
std::string command_of(const CaseId& id);

/// What `assay check` prints last and exits with.
struct Summary {
  size_t passed = 0, claimed = 0, failed = 0, not_runnable = 0;
  /// 0: all that ran passed, or kept what it claims; 1: something failed; 3: nothing ran, which is no pass.
  int exit_status() const { return failed > 0 ? 1 : passed + claimed > 0 ? 0 : 3; }
};
Summary summarize(const std::vector<Verdict>& verdicts);

struct CheckOptions {
  std::string kernel_glob = "*";
  std::string variant_glob = "*";
  uint64_t seed = 1;
  /// For each variant. Without: 2000, or 600 where over 200 variants are checked; each kind of shape is among 600.
  std::optional<uint64_t> samples;
  uint64_t stride = 1;  ///< try every stride-th case only: a short check that still gets to the long shapes
  double seconds = 0;   ///< if > 0: as many samples as fit instead
  unsigned jobs = 0;    ///< child processes at once; 0: one for each CPU that this process may use
  double timeout = 30;  ///< seconds without a finished sample: a hang
  /// If not empty: these shapes of these variants ("dot_f32/avx2") and nothing else, in place of drawn ones.
  std::map<std::string, std::vector<Shape>> shapes;
  bool accept_claims = false;  ///< a variant that keeps what it claims may be timed and chosen
  bool shrink = true;          ///< reduce a failing case to the smallest that still fails (shrink.h)
  bool keep_going = false;     ///< try the other samples too where one fails; the first failure is the verdict
  std::function<void(const Verdict&)> on_verdict;  ///< called as verdicts come, in any order
};

/// Checks every variant that matches, each in a child process of its own: SIGILL, SIGSEGV, a hang or an exit fails
/// that variant alone. Verdicts come in registry order. Throws InputError if nothing matches.
std::vector<Verdict> check(const Cpu& cpu, const CheckOptions& options);

/// Whether a variant's claim leaves the case out.
bool is_left_out(const CaseId& id);

/// One case, in a child process. A large one has 5 minutes at least. Throws InputError for one that is left out.
Verdict check_case(const Cpu& cpu, const CaseId& id, double timeout);

/// Of a case in which a value is wrong: the first wrong element and those about it, got and wanted side by side, a line each; "" where it
/// is not that which is wrong. In a child process.
std::string elements_of(const CaseId& id);

/// All 2^32 inputs of every elementwise kernel of one float that matches: `variants` runnable ones at once, against one
/// reference. Kernels without that mode are left out; InputError if none is left.
std::vector<Verdict> check_exhaustively(const Cpu& cpu, const CheckOptions& options);

/// One sample of each variant that matches at Trial::large_shape, one at a time: up to 9 GiB of memory. What that exceeds is
/// not-runnable. Kernels without such a shape are left out; InputError if none is left.
std::vector<Verdict> check_large(const Cpu& cpu, const CheckOptions& options);

/// Runs `work` in a child process: a crash, a hang or no sample at all is a failed verdict.
Verdict run_in_child(const std::string& kernel, const std::string& variant, double timeout,
                     const std::function<void(SampleLog&)>& work);

/// The case that is tried of a shape that was asked for.
CaseId shape_case(const Variant& variant, uint64_t seed, const Shape& shape);

/// The case that sample number `index` tries.
CaseId sample_case(const Kernel& kernel, const Variant& variant, uint64_t seed, uint64_t index);

}  // namespace assay
