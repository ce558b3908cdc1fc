#pragma once
#include "harness/check/case.h"

namespace assay {

/// The weights `w`, rows x cols of the kernel's format, as the variant's pack lays them out, into memory full of NaN: what pack
/// leaves out must not reach a result. Where preparation is checked, it also expects that pack says its size twice alike, and the same
/// bytes from parts of the rows packed apart, from weights that lie at another address, beside a thread that packs others, and
/// from other packs of the same layout. Then the weights are withdrawn.
const void* packed_weights(Case& c, const Input<uint8_t>& w, size_t rows, size_t cols);

}  // namespace assay
