#pragma once
#include <map>
#include <string>
#include <vector>

#include "harness/export/fleet.h"

namespace assay {

/// What a set is chosen by.
struct SetOptions {
  double within = 0.05;    ///< the most that any CPU of the fleet may lose at any class, by the interval's upper end
  bool generators = true;  ///< generated code may be chosen
  /// Profiles of other code count too. For `export --check`, which holds the sources themselves against those of the folder: another
  /// compiler's build of the same sources is no drift.
  bool any_code = false;
};

/// One class of a kernel on one CPU: what was measured, and what a set uses there.
struct SetRow {
  const Choice* choice;
  std::string called;  ///< label for a call: never generated code, as that would be made anew for each size
  std::string made;    ///< label where the caller keeps code that was made for its sizes, with parameters
  double called_loss =
      0;  ///< the interval's upper end of its time over that of the fastest that a call could take, less 1
  double made_loss = 0;        ///< the same over the fastest of all
  double called_over_all = 0;  ///< the median of the called one's time over that of the fastest of all, less 1
};

/// The variants of a kernel to build in.
struct KernelSet {
  std::string kernel;
  std::vector<std::string> labels;                ///< in registry order; without parameters
  std::map<size_t, std::vector<SetRow>> members;  ///< by the number of the CPU in the fleet; those that were measured
  std::vector<double> loss_of_number;             ///< the least loss that any 1, 2, 3, ... variants have
  /// What a CPU loses however many variants there are, since its packed weights have one layout for all classes; 0 where that is less than asked.
  double unavoidable = 0;
};

/// The fewest variants with which no CPU loses more than SetOptions::within at any class of the kernel; of as many the one of fewer ISAs, then of
/// simpler ones. Every combination is tried. Of a product with packed weights, each CPU has one layout for all of its classes, and
/// where that alone loses more, no more than that. Cold classes count
/// only where a CPU has no others: who calls does not say where the data lies. A variant counts for a CPU only with a verdict that passed on it.
///
/// Throws InputError if the profiles are of other code than this program has (but for SetOptions::any_code), if a CPU has classes of the kernel at which nothing passed, or if
/// no CPU has any.
KernelSet smallest_set(const Kernel& kernel, const Fleet& fleet, const SetOptions& options);

/// Throws InputError for a CPU whose timings differ from themselves by more than `within` at half of its classes or more: of it nothing can be said.
void expect_quiet(const Fleet& fleet, double within);

}  // namespace assay
