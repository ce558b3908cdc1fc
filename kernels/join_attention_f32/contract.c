#include "assay/contract.h"

const struct assay_contract join_attention_f32_contract = {
    .version = 1,
    .dims = {"n", "n_parts"},
    .key = {"n"},
};
