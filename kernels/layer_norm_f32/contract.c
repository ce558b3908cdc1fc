#include "assay/contract.h"

const struct assay_contract layer_norm_f32_contract = {
    .version = 2,
    .dims = {"n"},
    .key = {"n"},
};
