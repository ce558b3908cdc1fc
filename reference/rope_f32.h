#pragma once
#include <cstdint>

namespace reference {

/// Cosine and sine of position * frequency, right to 2^-40 for angles up to 2^20: in long double, whose 64 bits the product rounds.
struct Turn {
  double cosine, sine;
};
Turn turn_of(uint32_t position, double frequency);

/// The pair (a, b), turned and scaled, with the sums of the magnitudes of the terms.
struct TurnedPair {
  double first, second;          ///< scale (a cos - b sin), scale (b cos + a sin)
  double first_abs, second_abs;  ///< scale (|a cos| + |b sin|), scale (|b cos| + |a sin|)
};
TurnedPair rope_f32(const Turn& turn, float a, float b, float scale);

}  // namespace reference
