#pragma once
#include "harness/check/case.h"

namespace assay {

/// The weights `w`, rows x cols of the kernel's format, as the variant's pack lays them out, into memory full of NaN: what pack
/// leaves out must not reach a result. Not when timing, it also expects that pack says its size twice alike, that parts
/// of the rows packed apart are those of the whole, and that another pack of the same layout gives the same bytes.
const void* packed_weights(Case& c, const Input<uint8_t>& w, size_t rows, size_t cols);

/// Expects that the weights are what they were before pack and the call.
void expect_weights_kept(Case& c, const Input<uint8_t>& w);

}  // namespace assay
