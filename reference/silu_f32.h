#pragma once

namespace reference {

/// x / (1 + exp(-x)) for x the value of a float. exp(-x) is right to 2^-52 of it, the
/// result to 2^-50.
double silu_f32(double x);

}  // namespace reference
