#pragma once
#include "harness/check/case.h"

namespace assay {

/// The weights `w`, rows x cols of the kernel's format, as the variant's pack lays them out, into memory full of NaN: what pack
/// leaves out must not reach a result. Where preparation is checked, it also expects that pack says its size twice alike, and the same
/// bytes from parts of the rows packed apart, from weights that lie at another address, beside a thread that packs others, and
/// from other packs of the same layout. Then the weights are withdrawn.
const void* packed_weights(Case& c, const Input<uint8_t>& w, size_t rows, size_t cols);

/// Which rows of a product a call computes, and how its results lie. Timing: all, densely, with a bias.
struct ProductRows {
  size_t rows, begin, end;
  size_t ldy;  ///< from the results of a token to those of the next
  bool has_bias;

  /// Floats of the results of all tokens: the last token's end flush.
  size_t extent(size_t tokens) const { return tokens == 0 ? 0 : (tokens - 1) * ldy + rows; }
};
/// Fuzzing: any range of whole panels, and gaps between the tokens.
ProductRows draw_product_rows(Case& c, size_t rows);
/// Keeps the kernel out of what lies beside those rows, and expects nothing when timing.
void keep_out_of_other_rows(Case& c, const float* y, const ProductRows& r, size_t tokens);

}  // namespace assay
