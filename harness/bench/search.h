#pragma once
#include <string>
#include <vector>

#include "harness/bench/bench.h"
#include "harness/runtime/profile.h"

namespace assay {

/// What searching the parameters of a kernel's generators found at one of its classes.
struct SearchResult {
  std::string kernel;
  ShapeClass shape_class;
  size_t candidates = 0;            ///< that passed their check and were timed
  std::string chosen;               ///< what the profile had chosen
  std::string best;                 ///< a variant with other parameters, if it is faster beyond doubt; else `chosen`
  double gain = 0;                  ///< the time of `chosen` over that of `best`, less 1
  std::vector<std::string> failed;  ///< candidates that failed their check, and why
};

/// Tries the parameters of generators: at each class that the profile has a choice for, every vector of values that the contract has, of
/// every generated variant that passed. A candidate is checked at the shape before it is timed; the slower half drops out again and again,
/// and the last two are timed at length against what was chosen. A winner takes the place of the choice, with its check. Classes with cold
/// caches, other sizes of a class, and kernels without parameters stay as they are.
std::vector<SearchResult> search_parameters(const Cpu& cpu, const std::vector<Verdict>& verdicts, Profile& profile,
                                            const BenchOptions& options);

}  // namespace assay
