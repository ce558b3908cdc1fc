#pragma once

namespace reference {

struct ResidualFfn {
  double value;    ///< (a + b) + b * w
  double sum_abs;  ///< |a + b| + |b * w|, what the operands of the last addition weigh
  double spread;   ///< |a| + |b| + |b * w|: whether an intermediate may overflow
};
ResidualFfn residual_ffn_f32(float a, float b, float w);

}  // namespace reference
