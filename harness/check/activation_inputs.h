#pragma once
#include "harness/runtime/rng.h"

namespace assay {

/// An input near to where the result of the tanh form of GELU, or the method to get it, changes.
float near_gelu(Rng& rng);

/// Likewise of SiLU.
float near_silu(Rng& rng);

}  // namespace assay
