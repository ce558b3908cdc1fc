#include "reference/rope_f32.h"

#include <cmath>

namespace reference {

Turn turn_of(uint32_t position, double frequency) {
  const long double angle = static_cast<long double>(position) * static_cast<long double>(frequency);
  return {static_cast<double>(std::cos(angle)), static_cast<double>(std::sin(angle))};
}

TurnedPair rope_f32(const Turn& turn, float a, float b, float scale) {
  const double s = static_cast<double>(scale);
  const double ac = s * static_cast<double>(a) * turn.cosine;
  const double as = s * static_cast<double>(a) * turn.sine;
  const double bc = s * static_cast<double>(b) * turn.cosine;
  const double bs = s * static_cast<double>(b) * turn.sine;
  return {ac - bs, bc + as, std::fabs(ac) + std::fabs(bs), std::fabs(bc) + std::fabs(as)};
}

}  // namespace reference
