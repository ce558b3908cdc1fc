#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace reference {

/// A block of a format with a rule, as the contract of quantize_<format> has it. x is finite. False: the format cannot hold it.
using Quantize = bool(uint8_t* block, const float* x);

/// By GGUF's number of the format; nullptr: it has no rule, or its weights are floats.
Quantize* find_quantize(uint32_t type);

/// What the scales of a block can be in a format that leaves them to a search: Q2_K to Q6_K and IQ4. A weight is
/// d * scale * value - m * minimum.
struct Searched {
  uint32_t type;  ///< GGUF's number
  size_t groups, group;
  std::vector<double> values;  ///< of a code, in order
  int scale_end;               ///< the scale of the largest magnitude: negative ones go one further
  int most_scale;
  bool has_minima;
};

/// nullptr: its scales are not searched.
const Searched* find_searched(uint32_t type);

/// The sum of squared errors of the plain choice (quantize_fn's contract) of x, which is finite; Inf where an fp16 overflows.
double plain_error(const Searched& format, const float* x);

}  // namespace reference
