#include "assay/contract.h"

const struct assay_contract add_layer_norm_f32_contract = {
    .version = 1,
    .dims = {"n"},
    .key = {"n"},
};
