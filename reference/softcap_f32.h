#pragma once

namespace reference {

/// c tanh(x / c) for the values of floats; the quotient is rounded to double.
double softcap_f32(double x, double c);

}  // namespace reference
