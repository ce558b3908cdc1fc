#pragma once

namespace reference {

/// x Phi(x) = 0.5 x erfc(-x / sqrt(2)) for x the value of a float. The argument of erfc is off by 2^-53 of it, which for x = -15, the
/// last with a result, is 2^-45 of the result.
double gelu_erf_f32(double x);

}  // namespace reference
