#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>

namespace assay {

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers from a seed on every machine. The standard library's
/// distributions are not specified bit for bit, so the few that the harness needs are here too.
class Rng {
 public:
  explicit Rng(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  /// Uniform in [0, n); 0 for n = 0. The bias of the modulus is under n / 2^64.
  uint64_t below(uint64_t n) { return n == 0 ? 0 : next() % n; }

  /// Uniform in [lo, hi], both included.
  int64_t between(int64_t lo, int64_t hi) {
    return lo + static_cast<int64_t>(below(static_cast<uint64_t>(hi - lo) + 1));
  }

  /// Uniform in [0, 1).
  float uniform() { return static_cast<float>(next() >> 40) * 0x1p-24f; }

  /// About normal, mean 0, variance 1: the sum of 12 uniforms less 6 (Irwin-Hall). It needs no libm, whose last
  /// bits differ between machines.
  float normal() {
    int64_t sum = 0;
    for (int i = 0; i < 3; ++i) {
      const uint64_t r = next();
      sum += static_cast<int64_t>((r & 0xffff) + ((r >> 16) & 0xffff) + ((r >> 32) & 0xffff) + (r >> 48));
    }
    return static_cast<float>(sum - 6 * 65536) * 0x1p-16f;
  }

  /// A finite float with random sign and mantissa, its biased exponent uniform in [lo, hi] (0: subnormal).
  float with_exponent(int lo, int hi) {
    const auto exponent = static_cast<uint32_t>(between(lo, hi));
    const auto bits = static_cast<uint32_t>(next());
    return std::bit_cast<float>((bits & 0x807fffffu) | (exponent << 23));
  }

 private:
  uint64_t state_;
};

/// Mixes two numbers into one seed.
inline uint64_t mix_seed(uint64_t a, uint64_t b) { return Rng(a ^ (b * 0xd1342543de82ef95u)).next(); }

}  // namespace assay
