// The loops of intrinsics. An ISA's file includes its shared header and has a struct V of its vectors: kLanes, set1, fmadd, and first, the
// lowest lane.
#pragma once
#include "kernels/join_attention_f32/weights.h"

namespace {

/// kVectors vectors of the row from e on; `read` and `write` one of them.
template <class V, size_t kVectors, class Read, class Write>
inline void join_vectors(const join_attention_f32_args* a, const float* weights, size_t e, Read read, Write write) {
  decltype(V::set1(0)) sums[kVectors];
  for (size_t i = 0; i < kVectors; ++i) {
    sums[i] = V::set1(0);
  }
  for (size_t p = 0; p < a->n_parts; ++p) {
    const float* part = a->parts + p * a->ldp + e;
    const auto weight = V::set1(weights[p]);
#pragma GCC unroll 4
    for (size_t i = 0; i < kVectors; ++i) {
      sums[i] = V::fmadd(weight, read(part + i * V::kLanes), sums[i]);
    }
  }
#pragma GCC unroll 4
  for (size_t i = 0; i < kVectors; ++i) {
    write(a->out + e + i * V::kLanes, sums[i]);
  }
}

/// Takes the rest, under a vector, one by one where the ISA has no masks: `rest(e)`.
template <class V, class Rest>
inline void join_parts(const join_attention_f32_args* a, Rest rest) {
  float weights[kMostParts];
  weigh_parts(a, weights, [](float x) { return V::first(exp64(V::set1(x))); });
  const auto read = [](const float* p) { return load(p); };
  const auto write = [](float* p, auto v) { store(p, v); };
  size_t e = 0;
  for (; e + 4 * V::kLanes <= a->n; e += 4 * V::kLanes) {
    join_vectors<V, 4>(a, weights, e, read, write);
  }
  for (; e + V::kLanes <= a->n; e += V::kLanes) {
    join_vectors<V, 1>(a, weights, e, read, write);
  }
  rest(weights, e);
}

}  // namespace
