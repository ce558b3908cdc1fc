#include "reference/exp_f32.h"

#include <cmath>

namespace reference {

double exp_f32(double x) { return std::exp(x); }

}  // namespace reference
