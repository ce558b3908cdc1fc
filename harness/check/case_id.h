#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/runtime/registry.h"

namespace assay {

/// Longer than drawn lengths are, up to buffers of gigabytes: such a case is called once and judged, without what takes copies.
bool is_large(const Shape& shape);
inline constexpr size_t kLargestCopied = size_t{1} << 22;  ///< elements; of more, the case is large

/// The product of the sizes, 0 as 1: about in proportion to the time of a call.
double work_of(const Shape& shape);

/// Families of values that a sample's inputs are drawn from.
enum class InputClass {
  normal,        ///< about N(0, 1)
  wide,          ///< exponents log-uniform over 2^-40 .. 2^40
  integers,      ///< small integers: sums and products are exact, the error bound of a linear kernel is 0
  cancellation,  ///< pairs of large values of opposite sign that nearly cancel
  subnormals,    ///< subnormal and smallest normal values
  zeros,         ///< +0, -0 and a few ones
  huge,          ///< near FLT_MAX
  special,       ///< normal values with a few NaN and Inf among them
  extreme,       ///< the largest magnitudes of one sign: saturation, extreme integers
  constant,      ///< one value everywhere
  absorbed,      ///< a few large values, then such as a sum that holds one of those loses whole
  any_bits,      ///< the bits of any float, spread evenly over all of them
};
std::vector<InputClass> all_input_classes();
std::string to_string(InputClass c);
InputClass input_class_from(std::string_view name);  ///< throws InputError

/// Where a case puts its buffers.
enum class Place {
  drawn,  ///< as the seed says
  end,    ///< each flush against the guard page behind it
  begin,  ///< each flush behind the guard page before it
};

/// What identifies a case: the same CaseId gives the same inputs, offsets and calls on every machine.
struct CaseId {
  std::string variant;  ///< "dot_f32/avx2"
  Shape shape;
  InputClass input_class = InputClass::normal;
  size_t alias = 0;  ///< index into Trial::aliases()
  uint64_t seed = 0;
  // What the shrinker simplifies: see shrink.h.
  Place place = Place::drawn;
  size_t keep_from = 0;  ///< elements of float inputs outside [keep_from, keep_to) become 0 ...
  size_t keep_to = kKeepAll;
  bool small_integers = false;  ///< ... and finite ones inside it integers of -8 .. 8

  static constexpr size_t kKeepAll = SIZE_MAX;
};
/// "dot_f32/avx2:n=17,class=normal,alias=none,seed=0x1f": what `assay check --case` takes.
std::string to_string(const CaseId& id);
CaseId case_from(std::string_view text);  ///< throws InputError

}  // namespace assay
