#pragma once
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "harness/check/check.h"

namespace assay {

/// A variant that is wrong on purpose: ci/defects/.
struct Defect {
  std::string variant;  ///< "dot_f32/avx2!tail_twice"
  std::string defect_class;
  std::string what;
  std::string stands_for;  ///< the bug class of real programs
  std::string caught_by;   ///< the checks that may catch it, separated by spaces
  bool large = false;      ///< by `assay check --large` alone
};

/// Those of this executable: none but in assay_selftest. Defined by the generated registry.
std::vector<Defect> planted_defects();

/// Checks that a harness can get wrong with any variant: class `harness`, names "harness/...".
std::vector<Defect> harness_defects();

struct SelftestOptions {
  std::string glob = "*";  ///< over "kernel/isa!name" and "harness/name"
  uint64_t first_seed = 1;
  uint64_t seeds = 20;
  uint64_t samples = 2000;  ///< the default budget of `assay check`
  uint64_t stride = 1;      ///< as for `assay check`
  double timeout = 5;       ///< a planted hang should not take half a minute
  bool large = false;       ///< check_large, for the defects that only it sees, instead of the others
  unsigned jobs = 0;
};

/// How one defect fared over the seeds.
struct SelftestResult {
  Defect defect;
  bool runnable = false;
  std::string reason;   ///< why it is not runnable
  uint64_t caught = 0;  ///< seeds with which it was caught by one of the declared checks
  uint64_t seeds = 0;
  std::vector<std::string> seen_by;    ///< the checks that caught it
  std::vector<uint64_t> missed_seeds;  ///< with which it passed
  std::string caught_by_other;         ///< a verdict by a check that was not declared; "" if none
  uint64_t most_samples = 0;           ///< samples until it was caught, at worst
  std::string evidence;                ///< what the check that caught it said, with the first seed
};
nlohmann::json to_json(const SelftestResult& r);

/// Checks every planted defect that matches, of variants and of the harness, with every seed. Throws InputError if none
/// matches.
std::vector<SelftestResult> selftest(const Cpu& cpu, const SelftestOptions& options,
                                     const std::function<void(const SelftestResult&)>& on_result);

}  // namespace assay
