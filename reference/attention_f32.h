#pragma once
#include <cstddef>
#include <vector>

namespace reference {

/// The weights of one query over its m visible keys, and what their errors depend on.
struct AttentionRow {
  std::vector<double> weights;
  bool nan;              ///< a score is NaN or +Inf: the row is NaN
  double largest;        ///< max_j of the scores that are no NaN; -Inf if there is none
  double sum;            ///< sum_j exp(score - largest); 0 if largest is -Inf
  double max_score;      ///< max_j |score| over the finite ones
  double max_score_abs;  ///< max_j scale * sum_e |q_e k_je| over the finite products
  double max_dot_abs;    ///< max_j sum_e |q_e k_je| over the finite products
};
/// Rows of k are ldk floats apart. A score is scale * q . k_j or, where softcap is not 0, softcap * tanh(that / softcap).
AttentionRow attention_f32_row(const float* q, const float* k, size_t ldk, size_t m, size_t d, float scale,
                               float softcap = 0);

/// The weights of parts of a row, by the largest score and the sum of exponentials of each, `lds` floats apart: max_score is how far the
/// largest lies over others at most, and the row is NaN if a sum is.
AttentionRow join_attention_f32(const float* stats, size_t lds, size_t n_parts);

struct Attention {
  double value;         ///< sum_j weights[j] * v[j]
  double sum_weighted;  ///< sum_j weights[j] * |v[j]| over the finite v
  double sum_abs;       ///< sum_j |v[j]| over the finite v
  double max_abs;       ///< max_j |v[j]| over the finite v
  double least_of_inf;  ///< the least weight over 0 of an infinite v; 1 if there is none
};
/// One element of the row's result: v is a column, its elements are ldv floats apart.
Attention attention_f32(const AttentionRow& row, const float* v, size_t ldv);

}  // namespace reference
