#include "reference/relu2_glu_f32.h"

namespace reference {

float relu2_glu_f32(float gate, float up) {
  const double positive = gate < 0 ? 0 : static_cast<double>(gate);  // a NaN stays
  const auto square = static_cast<float>(positive * positive);
  return static_cast<float>(static_cast<double>(square) * static_cast<double>(up));
}

}  // namespace reference
