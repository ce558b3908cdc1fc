#include "reference/softcap_f32.h"

#include <cmath>

namespace reference {

double softcap_f32(double x, double c) { return c * std::tanh(x / c); }

}  // namespace reference
