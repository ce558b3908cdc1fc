#pragma once
#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "harness/runtime/registry.h"

namespace assay {

/// In Claim::exclude: integers of -128 among the codes of Q8_0, which no quantizer makes.
inline constexpr const char* kCodeOfMinus128 = "code_of_minus_128";

/// What a foreign variant says that it does not keep of its contract. It is judged by that, and never passes: it is claimed.
///
/// Of what a contract says nothing else can be claimed: no writing outside buffers, no lost machine state, no instruction that was not
/// declared, no unequal bits from equal inputs.
struct Claim {
  double bound_factor = 1;                    ///< errors are up to so many times the contract's bound
  std::set<std::string> exclude;              ///< classes of inputs that it is not for, or kCodeOfMinus128
  std::map<std::string, size_t> multiple_of;  ///< dimension -> its sizes are multiples of this
  std::map<std::string, size_t> most;         ///< dimension -> its sizes are no larger
  size_t align = 1;                           ///< of all buffers
  size_t over_read = 0;                       ///< bytes behind the end of an input that it may read
  bool alias = true;                          ///< false: outputs overlap no inputs, whatever the contract allows
  /// false, of a product of blocks: their integers are not summed exactly before they are scaled, so errors are within the contract's
  /// bound as it would be with each product of two codes a term of its own.
  bool exact_blocks = true;
  bool reentrant = true;                       ///< false: it keeps state of its own: one call at a time
  std::map<std::string, std::string> because;  ///< what is claimed, by its name in JSON -> the reason

  /// Whether the sizes of a shape are among those that it is for.
  bool allows(const Kernel& kernel, const Shape& shape) const;
  /// The shape, or the next smaller one (at least one unit of each) that it is for.
  Shape fit(const Kernel& kernel, Shape shape) const;
  /// Without one of what it claims, by its name in JSON.
  Claim without(const std::string& name) const;
  /// Whether it is about how large errors are, so that these tell whether it is needed.
  static bool is_of_errors(const std::string& name);
  /// What is claimed, for people; `worst`: the largest error seen over what the claim allows.
  std::string text_of(const std::string& name, double worst) const;
  /// Whether `assay run` keeps what it asks for: not how buffers lie.
  bool fits_the_runner() const;
};

/// Reads a claim of a variant of `kernel`. Throws InputError that says what is wrong and what can be claimed.
Claim parse_claim(const Kernel& kernel, std::string_view json);

/// nullptr for a variant without one.
const Claim* claim_of(const Variant& variant);

}  // namespace assay
