#include "assay/contract.h"

const struct assay_contract dot_f32_contract = {
    .version = 2,
    .dims = {"n"},
    .key = {"n"},
};
