#include "assay/contract.h"

// Sines and cosines of one token, each twice where pairs are neighbours, in whole vectors.
static size_t scratch_bytes(const size_t* shape) { return (shape[3] / 2 + 7) / 8 * 8 * 4 * sizeof(float); }

const struct assay_contract rope_f32_contract = {
    .version = 1,
    .dims = {"tokens", "heads", "d", "rotated"},
    .key = {"d", "rotated"},
    .scratch_bytes = scratch_bytes,
};
