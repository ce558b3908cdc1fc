#pragma once

namespace reference {

/// e^x in double: right to 2^-52 of the result, so to 2^-28 ULP of a float.
double exp_f32(double x);

}  // namespace reference
