// Folding the lanes of a vector in generated code.
#pragma once
#include "kernels/shared/jit.h"

namespace {

// Vector v's lanes of 32 bits, folded by op(to, to, from) until the lowest four hold the result each. Changes register `other`.
template <class Vec, class Op>
void fold_lanes(Xbyak::CodeGenerator& g, int v, int other, Op&& op) {
  if constexpr (Vec::kWide) {
    g.vextracti64x4(Xbyak::Ymm(other), Xbyak::Zmm(v), 1);
    op(Xbyak::Ymm(v), Xbyak::Ymm(v), Xbyak::Ymm(other));
  }
  const Xbyak::Xmm lanes(v);
  const Xbyak::Xmm others(other);
  g.vextracti128(others, Xbyak::Ymm(v), 1);
  op(lanes, lanes, others);
  for (const uint8_t order : {uint8_t{0x4e}, uint8_t{0xb1}}) {
    g.vpshufd(others, lanes, order);
    op(lanes, lanes, others);
  }
}

}  // namespace
