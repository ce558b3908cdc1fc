#include "harness/check/quantized_blocks.h"

#include <array>
#include <bit>
#include <cmath>
#include <limits>

namespace assay {

float random_sign(Rng& rng) { return (rng.next() & 1) != 0 ? -1.0f : 1.0f; }

float steps_from(float x, int64_t ulps) {
  return std::bit_cast<float>(static_cast<uint32_t>(std::bit_cast<uint32_t>(x) + ulps));
}

void fill_below(std::span<float> x, float amax, Rng& rng) {
  for (float& v : x) {
    v = random_sign(rng) * amax * rng.uniform();
  }
  x[rng.below(x.size())] = random_sign(rng) * amax;
}

void edit_block(std::span<float> x, void (*own)(std::span<float>, Rng&), Rng& rng) {
  switch (rng.below(16)) {
    case 0:  // zeros of both signs
      for (float& v : x) {
        v = random_sign(rng) * 0.0f;
      }
      break;
    case 1: {  // 127 / amax about to overflow: amax near 127 * 2^-128
      const float amax = steps_from(0x1.fcp-122f, rng.between(-4, 4));
      fill_below(x, amax, rng);
      break;
    }
    case 2:
      own(x, rng);
      break;
    case 3: {  // exact ties: 127 / amax is a power of two, x an odd multiple of half a step
      const int exponent = static_cast<int>(rng.between(-30, 30));
      for (float& v : x) {
        v = random_sign(rng) * std::ldexp(static_cast<float>(rng.below(127)) + 0.5f, exponent);
      }
      x[rng.below(x.size())] = random_sign(rng) * std::ldexp(127.0f, exponent);
      break;
    }
    case 4: {  // the rounded product x * (127 / amax) is a tie, or one rounding away from it
      const float amax = std::ldexp(1.0f + rng.uniform(), static_cast<int>(rng.between(-100, 100)));
      const float inverse = 127.0f / amax;
      for (float& v : x) {
        v = random_sign(rng) * steps_from((static_cast<float>(rng.below(127)) + 0.5f) / inverse, rng.between(-1, 1));
      }
      x[rng.below(x.size())] = random_sign(rng) * amax;
      break;
    }
    case 5: {  // one NaN (quiet or signalling, either sign) or Inf anywhere
      constexpr std::array<uint32_t, 6> kSpecials = {0x7fc00000, 0xffc00000, 0x7f800001,
                                                     0xffffffff, 0x7f800000, 0xff800000};
      x[rng.below(x.size())] = std::bit_cast<float>(kSpecials[rng.below(kSpecials.size())]);
      break;
    }
    case 6:  // all exponents: most values vanish beside the largest
      for (float& v : x) {
        v = rng.with_exponent(0, 254);
      }
      break;
    case 7:  // FLT_MAX itself and its neighbours
      fill_below(x, steps_from(std::numeric_limits<float>::max(), -rng.between(0, 3)), rng);
      break;
    default:
      break;
  }
}

}  // namespace assay
