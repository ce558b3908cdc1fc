#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "harness/bench/bench.h"

namespace assay {

/// Times of one call before and after a change, in nanoseconds.
struct BeforeAfter {
  std::string name;  ///< "dot_f32/avx2/L1"
  std::vector<double> before_ns, after_ns;
  bool paired;  ///< samples of one index were taken one after the other, in one process
};

enum class Change { worse, not_worse, undecided };
std::string to_string(Change change);

struct Comparison {
  std::string name;
  double ratio = 1;          ///< of the medians: after over before
  double low = 1, high = 1;  ///< its 99% interval
  Change change = Change::undecided;
};

/// Which became slower by more than `threshold` (0.05: 5%), beyond doubt; which did not; and of which that cannot be told. Two tests of 1% each,
/// that the median ratio is not over 1 + threshold, and that it is not under: of paired samples the sign test, else Mann and Whitney's; over
/// all that are compared by Holm's procedure, so that of a hundred unchanged ones none is accused in 99 runs of 100.
std::vector<Comparison> compare(const std::vector<BeforeAfter>& samples, double threshold);

/// Paired samples that can show a change at all where so many are compared: were all of them slower, chance would do that less often than 1%
/// over the number.
int least_rounds(size_t comparisons);

/// What of two reports of `assay bench --out` can be compared: variants of one name at one shape. `alone` gets the names of what only one has. Throws InputError that names the file and what
/// is wrong with it, or what differs of their CPUs.
std::vector<BeforeAfter> pairs_of_reports(const std::string& before, const std::string& after,
                                          std::vector<std::string>& alone);

/// The samples of one job's two variants, the first as it was before. Quiet rounds alone.
BeforeAfter pair_of(const ShapeTimings& shape, const std::string& before, const std::string& after);

}  // namespace assay
