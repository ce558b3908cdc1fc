#pragma once
#include <cstddef>
#include <cstdint>

namespace reference {

/// 1 / d, what weights are multiplied with to find their codes; 0 where it is not finite.
float reciprocal(float d);

/// A block of a format with a rule, as the contract of quantize_<format> has it. x is finite. False: the format cannot hold it.
using Quantize = bool(uint8_t* block, const float* x);

/// By GGUF's number of the format; nullptr: it has no rule, or its weights are floats.
Quantize* find_quantize(uint32_t type);

}  // namespace reference
