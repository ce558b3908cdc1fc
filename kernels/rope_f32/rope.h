// Rope for any ISA of intrinsics. An ISA's file defines a struct with
//   Double                vector of kDoubles doubles
//   Float, kLanes         vector of floats
//   set, mul, add, sub, madd(x, y, z) = x y + z, of doubles
//   load_doubles(p, n)    the first n; lanes behind them are 0
//   choose(bits, a, b)    b where the sign bit of a lane of `bits` is set, else a
//   flip(a, bits)         a with its sign changed where that of `bits` is set
//   to_sign<bit>(x)       a bit of a double's fraction at the place of the sign, nothing else
//   store_table(p, x), store_table_twice(p, x)    as floats, each once or two times
//   load, store (also of the first n lanes), mul, rotate(x, c, s): of pairs of neighbours
//   msub(x, y, z) = x y - z, madd(x, y, z)    of floats
// and calls rope<Isa>. The method is that of scalar.cpp.
#pragma once
#include <stddef.h>

#include "kernels/rope_f32/kernel.h"

namespace {

template <class Isa>
inline void fill_table(const struct rope_f32_args* a, double position, float* cosines, float* sines) {
  using Double = typename Isa::Double;
  const Double magic = Isa::set(0x1.8p52);
  const Double scale = Isa::set(static_cast<double>(a->scale));
  const size_t half = a->rotated / 2;
  for (size_t i = 0; i < half; i += Isa::kDoubles) {
    const size_t left = half - i;
    const Double frequency = Isa::load_doubles(a->frequencies + i, left < Isa::kDoubles ? left : Isa::kDoubles);
    const Double angle = Isa::mul(Isa::set(position), frequency);
    const Double shifted = Isa::madd(angle, Isa::set(0.63661977236758138), magic);
    const Double n = Isa::sub(shifted, magic);
    const Double high = Isa::sub(angle, Isa::mul(n, Isa::set(0x1.921fb544p0)));
    const Double r = Isa::sub(high, Isa::mul(n, Isa::set(0x1.0b4611a626331p-34)));
    const Double z = Isa::mul(r, r);
    Double sine = Isa::madd(z, Isa::set(1.0 / 362880), Isa::set(-1.0 / 5040));
    Double cosine = Isa::madd(z, Isa::set(-1.0 / 3628800), Isa::set(1.0 / 40320));
    sine = Isa::madd(z, sine, Isa::set(1.0 / 120));
    cosine = Isa::madd(z, cosine, Isa::set(-1.0 / 720));
    sine = Isa::madd(z, sine, Isa::set(-1.0 / 6));
    cosine = Isa::madd(z, cosine, Isa::set(1.0 / 24));
    sine = Isa::madd(Isa::mul(z, sine), r, r);
    cosine = Isa::madd(z, cosine, Isa::set(-1.0 / 2));
    cosine = Isa::madd(z, cosine, Isa::set(1));
    const Double odd = Isa::template to_sign<0>(shifted);
    const Double of_sine = Isa::template to_sign<1>(shifted);
    const Double of_cosine = Isa::template to_sign<1>(Isa::add(shifted, Isa::set(1)));
    const Double s = Isa::flip(Isa::choose(odd, sine, cosine), of_sine);
    const Double c = Isa::flip(Isa::choose(odd, cosine, sine), of_cosine);
    if (a->halves != 0) {
      Isa::store_table(cosines + i, Isa::mul(c, scale));
      Isa::store_table(sines + i, Isa::mul(s, scale));
    } else {
      Isa::store_table_twice(cosines + 2 * i, Isa::mul(c, scale));
      Isa::store_table_twice(sines + 2 * i, Isa::mul(s, scale));
    }
  }
}

template <class Isa>
inline void turn_pairs(float* y, const float* x, const float* cosines, const float* sines, size_t rotated) {
  size_t i = 0;
  for (; i + Isa::kLanes <= rotated; i += Isa::kLanes) {
    Isa::store(y + i, Isa::rotate(Isa::load(x + i), Isa::load(cosines + i), Isa::load(sines + i)));
  }
  if (const size_t left = rotated - i; left > 0) {
    const auto turned = Isa::rotate(Isa::load(x + i, left), Isa::load(cosines + i, left), Isa::load(sines + i, left));
    Isa::store(y + i, turned, left);
  }
}

template <class Isa>
inline void turn_halves(float* y, const float* x, const float* cosines, const float* sines, size_t half) {
  size_t i = 0;
  for (; i + Isa::kLanes <= half; i += Isa::kLanes) {
    const auto a = Isa::load(x + i);
    const auto b = Isa::load(x + half + i);
    const auto c = Isa::load(cosines + i);
    const auto s = Isa::load(sines + i);
    Isa::store(y + i, Isa::msub(a, c, Isa::mul(b, s)));
    Isa::store(y + half + i, Isa::madd(b, c, Isa::mul(a, s)));
  }
  if (const size_t left = half - i; left > 0) {
    const auto a = Isa::load(x + i, left);
    const auto b = Isa::load(x + half + i, left);
    const auto c = Isa::load(cosines + i, left);
    const auto s = Isa::load(sines + i, left);
    Isa::store(y + i, Isa::msub(a, c, Isa::mul(b, s)), left);
    Isa::store(y + half + i, Isa::madd(b, c, Isa::mul(a, s)), left);
  }
}

template <class Isa>
inline void copy(float* y, const float* x, size_t n) {
  size_t i = 0;
  for (; i + Isa::kLanes <= n; i += Isa::kLanes) {
    Isa::store(y + i, Isa::load(x + i));
  }
  if (i < n) {
    Isa::store(y + i, Isa::load(x + i, n - i), n - i);
  }
}

template <class Isa>
inline void rope(const struct rope_f32_args* a) {
  const size_t half = a->rotated / 2;
  float* cosines = a->scratch;
  float* sines = cosines + (half + 7) / 8 * 16;
  for (size_t t = 0; t < a->tokens; ++t) {
    fill_table<Isa>(a, a->positions[t], cosines, sines);
    for (size_t h = 0; h < a->heads; ++h) {
      const float* x = a->x + t * a->ldx + h * a->d;
      float* y = a->y + t * a->ldy + h * a->d;
      if (a->halves != 0) {
        turn_halves<Isa>(y, x, cosines, sines, half);
      } else {
        turn_pairs<Isa>(y, x, cosines, sines, a->rotated);
      }
      if (y != x) {
        copy<Isa>(y + a->rotated, x + a->rotated, a->d - a->rotated);
      }
    }
  }
}

}  // namespace
