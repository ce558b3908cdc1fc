#pragma once

namespace reference {

/// max(gate, 0)^2 * up: each of the two products correctly rounded, the square first; in double, where a product of floats is exact.
float relu2_glu_f32(float gate, float up);

}  // namespace reference
