#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include "harness/runtime/profile.h"

namespace assay {

/// The profiles of one CPU, pooled: of each class the median of what they say.
struct Member {
  Profile profile;
  size_t profiles = 1;
  std::vector<std::string> disagreements;  ///< a line each: what a profile says that the pooled one contradicts
};

/// CPUs that one set of kernels is chosen for.
struct Fleet {
  static constexpr int kSchemaVersion = 1;
  std::vector<Member> members;  ///< by the text of their CPUs' identity, so that the order of the files does not matter
};

/// Pools the profiles by CPU. Throws InputError for one that cannot be read, and for profiles whose code of a variant or version of a
/// contract differ, naming both files.
Fleet merge_profiles(const std::vector<std::string>& paths);

/// A fleet that merge wrote, or a profile: a fleet of one. Throws InputError.
Fleet read_fleet(const std::string& path);

std::string fleet_text(const Fleet& fleet);

/// A number among what a choice's timing says, which profiles of other people have or have not.
double timing_of(const Choice& choice, const char* field, double otherwise);

/// The median, the upper one of two in the middle; `values` has one at least.
template <class T>
T upper_median(std::vector<T> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

/// "AMD EPYC 7B13 (AuthenticAMD, family 25, model 1)": for people.
std::string name_of_cpu(const nlohmann::json& identity);

}  // namespace assay
