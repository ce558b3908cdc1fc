#pragma once
#include <cstdint>
#include <span>

#include "harness/check/case_id.h"
#include "harness/runtime/rng.h"

namespace assay {

/// Fills the elements for the class of the case. Of large cases the first million are drawn and then repeated, and integers
/// are of -1 .. 1, so that their sums stay exact.
void fill_class(std::span<float> x, InputClass c, Rng& rng);
void fill_class(std::span<int32_t> x, InputClass c, Rng& rng);

/// What a sum of products multiplies those elements with: the same, but ones for the class `absorbed`.
void fill_factors(std::span<float> x, InputClass c, Rng& rng);

/// One of the values that the class `special` has, NaN and Inf in half of the draws; the others are zeros, ones and the ends of
/// normal and subnormal numbers.
float special_value(Rng& rng);

/// The bits of an fp16 that a block of weights or activations of the class is scaled by: finite, of either sign.
uint64_t draw_scale(InputClass c, Rng& rng);

/// Makes drawn values as simple as the shrinker asks of the case.
void simplify(std::span<float> x, const CaseId& id);

}  // namespace assay
