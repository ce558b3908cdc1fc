#include "assay/contract.h"

const struct assay_contract residual_ffn_f32_contract = {
    .version = 2,
    .dims = {"n"},
    .key = {"n"},
};
