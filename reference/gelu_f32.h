#pragma once

namespace reference {

/// 0.5 x (1 + tanh(z)), z = sqrt(2/pi) (x + 0.044715 x^3), for x the value of a float. The relative error of
/// exp(-2z) is the absolute error of 2z; 2z is under 2^7 where the result is not 0, so it is under 2^-44, and the
/// result is right to 2^-20 ULP of a float.
double gelu_f32(double x);

}  // namespace reference
