#include "reference/mul_f32.h"

namespace reference {

float mul_f32(float x, float y) { return static_cast<float>(static_cast<double>(x) * static_cast<double>(y)); }

}  // namespace reference
