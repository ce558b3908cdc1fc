#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace reference {

/// What the scales of a block can be in a format that leaves them to a search: Q2_K to Q6_K and IQ4. A weight is
/// d * scale * value - m * minimum.
struct Searched {
  uint32_t type;  ///< GGUF's number
  size_t groups, group;
  std::vector<float> values;  ///< of a code, in order
  int scale_end;              ///< the scale of the largest magnitude: negative ones go one further
  int most_scale;
  bool has_minima;
};

/// nullptr: its scales are not searched.
const Searched* find_searched(uint32_t type);

/// What the blocks of x[0 .. groups * group), which is finite, stand for after the search that the contract of quantize_<format>
/// describes; nothing if the format cannot hold them.
std::optional<std::vector<double>> search(const Searched& format, const float* x);

}  // namespace reference
