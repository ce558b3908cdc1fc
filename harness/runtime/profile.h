#pragma once
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "harness/runtime/cpu.h"
#include "harness/runtime/registry.h"

namespace assay {

/// A length that is no multiple of 64 elements: what variants do with the remainder decides which is the fastest.
inline bool is_ragged(const Shape& shape) { return shape.size() == 1 && shape[0] % 64 != 0; }

/// What a variant takes over what the fastest of its class does, the median over the rounds and its 99% interval; of several sizes
/// the worst of each.
struct Ratio {
  double median = 1, low = 1, high = 1;

  /// Whether a profile may have it.
  bool is_possible() const {
    constexpr double kMost = 1e9;
    return low > 0 && low <= median && median <= high && high < kMost;
  }
};

/// One choice: at shapes near this one, use this variant; with the verdict and the timing that justify it.
struct Choice {
  std::string kernel, label, variant;
  Shape shape;
  std::string why;                      ///< one line for people
  nlohmann::json verdict;               ///< status, samples, errors, seed
  nlohmann::json timing;                ///< median, interval, runner-up, tie
  bool cold = false;                    ///< for data that lies in no cache, whatever its size
  std::string code = {};                ///< Variant::code when it was measured
  std::vector<size_t> parameters = {};  ///< Variant::parameters
  /// Of each variant that was timed to the end, by label: for choices of other people, with other variants at hand (fleet.h).
  std::map<std::string, Ratio> ratios = {};
};

/// What is known of a variant whose ratios a profile has.
struct Evidence {
  std::string code;        ///< Variant::code
  unsigned contract = 0;   ///< the version of the kernel's contract
  nlohmann::json verdict;  ///< as Choice::verdict
};

/// The file of choices for one CPU.
struct Profile {
  static constexpr int kSchemaVersion = 5;   ///< 5: ratios and evidence
  nlohmann::json cpu;                        ///< vendor, family, model, stepping, features
  std::string archspec;                      ///< archspec_of the CPU: a label; "" in files from before it was written
  std::string date;                          ///< UTC, ISO 8601
  std::string compiler;                      ///< that built the variants, with its version
  std::map<std::string, Evidence> evidence;  ///< by "kernel/label", of the labels in ratios but for parameters
  std::vector<Choice> choices;
  /// Variants of plug-ins that it chose and that are not here: "dot_f32/mine:fast". Their choices are left out.
  std::set<std::string> missing;
};

/// $XDG_CACHE_HOME/assay/profile.json, or ~/.cache/assay/profile.json.
std::string default_profile_path();

/// The GNU build ID of this executable, in hex.
std::string build_id();

/// What this program was built by: "GCC 12.2.0".
std::string compiler();

/// What of a CPU must be equal for a profile to hold, or for times to be compared: fields of to_json(Cpu).
inline constexpr const char* kCpuIdentity[] = {"vendor", "brand", "family", "model", "stepping", "features", "xcr0"};
nlohmann::json cpu_identity(const Cpu& cpu);
/// The same of a CPU as to_json(Cpu) has it, in a file: null for what it does not say.
nlohmann::json cpu_identity(const nlohmann::json& cpu);

/// Throws InputError naming the file and what is wrong in it (not JSON, another schema version, a missing field, an
/// unknown kernel or variant, a choice without a verdict that passed or kept its claim).
Profile read_profile(const std::string& path);

/// The same from memory; `path` is what errors name.
Profile parse_profile(const std::string& path, std::string_view text);

/// The same of what was read as JSON already, as fleet.h has profiles within another file.
Profile profile_of_json(const std::string& path, const nlohmann::json& json);

/// What the file holds.
nlohmann::json to_json(const Profile& profile);

/// The file's contents.
std::string profile_text(const Profile& profile);

/// Written whole or not at all.
void write_profile(const std::string& path, const Profile& profile);

/// Why `profile` may not be used here; "" if it may.
std::string refusal(const Profile& profile, const Cpu& cpu);

}  // namespace assay
