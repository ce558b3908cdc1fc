#include "assay/contract.h"

static size_t scratch_bytes(const size_t* shape) { return (shape[0] + shape[1]) * sizeof(float); }

const struct assay_contract attention_f32_contract = {
    .version = 1,
    .dims = {"n_q", "pos", "d"},
    .key = {"d"},
    .scratch_bytes = scratch_bytes,
};
