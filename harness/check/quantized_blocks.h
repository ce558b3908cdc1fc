#pragma once
#include <span>

#include "harness/runtime/rng.h"

namespace assay {

/// 1 or -1.
float random_sign(Rng& rng);

/// So many floats further, for x > 0 and far from both ends.
float steps_from(float x, int64_t ulps);

/// Random values of the given largest magnitude.
void fill_below(std::span<float> x, float amax, Rng& rng);

/// A block of values that is to become integers up to 127: half of the blocks stay as they are, the others meet the corners of the
/// contracts of quantize_q8_0 and quantize_q8_k. `own` makes one of the corners.
void edit_block(std::span<float> x, void (*own)(std::span<float>, Rng&), Rng& rng);

}  // namespace assay
