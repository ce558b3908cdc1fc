#include <string.h>

#include "kernels/rope_f32/kernel.h"
#include "kernels/shared/independent.h"

extern "C" rope_f32_fn rope_f32_scalar;

// The angle is n quarter turns and r, |r| <= pi / 4. pi / 2 is in two parts, of which n times the first, of 33 bits, is exact for
// n < 2^20 (Cody and Waite 1980). Of sine and cosine of r the polynomials are Taylor's: what follows is under 2^-29.
extern "C" void rope_f32_scalar(const struct rope_f32_args* a) {
  const double two_over_pi = 0.63661977236758138;
  const double pi_high = 0x1.921fb544p0;
  const double pi_low = 0x1.0b4611a626331p-34;
  // Adding 1.5 * 2^52 rounds to an integer and leaves it in the low bits of the double.
  const double magic = 0x1.8p52;
  const size_t half = a->rotated / 2;
  float* cosines = a->scratch;
  float* sines = a->scratch + half;
  for (size_t t = 0; t < a->tokens; ++t) {
    const double position = a->positions[t];
    const double scale = static_cast<double>(a->scale);
    for (size_t i = 0; i < half; ++i) {
      const double angle = position * a->frequencies[i];
      const double shifted = angle * two_over_pi + magic;
      const double n = shifted - magic;
      const double r = (angle - n * pi_high) - n * pi_low;
      const double z = r * r;
      const double sine = r + r * z * (-1.0 / 6 + z * (1.0 / 120 + z * (-1.0 / 5040 + z * (1.0 / 362880))));
      const double cosine =
          1 + z * (-1.0 / 2 + z * (1.0 / 24 + z * (-1.0 / 720 + z * (1.0 / 40320 + z * (-1.0 / 3628800)))));
      uint64_t quarter;
      memcpy(&quarter, &shifted, sizeof quarter);
      const bool odd = (quarter & 1) != 0;
      const double s = (odd ? cosine : sine) * ((quarter & 2) != 0 ? -scale : scale);
      const double c = (odd ? sine : cosine) * (((quarter + 1) & 2) != 0 ? -scale : scale);
      sines[i] = static_cast<float>(s);
      cosines[i] = static_cast<float>(c);
    }
    for (size_t h = 0; h < a->heads; ++h) {
      const float* x = a->x + t * a->ldx + h * a->d;
      float* y = a->y + t * a->ldy + h * a->d;
      if (a->halves != 0) {
        INDEPENDENT_ITERATIONS  // y may be x itself, but no other element of it
        for (size_t i = 0; i < half; ++i) {
          const float first = x[i];
          const float second = x[i + half];
          y[i] = first * cosines[i] - second * sines[i];
          y[i + half] = second * cosines[i] + first * sines[i];
        }
      } else {
        INDEPENDENT_ITERATIONS
        for (size_t i = 0; i < half; ++i) {
          const float first = x[2 * i];
          const float second = x[2 * i + 1];
          y[2 * i] = first * cosines[i] - second * sines[i];
          y[2 * i + 1] = second * cosines[i] + first * sines[i];
        }
      }
      INDEPENDENT_ITERATIONS
      for (size_t i = a->rotated; i < a->d; ++i) {
        y[i] = x[i];
      }
    }
  }
}
