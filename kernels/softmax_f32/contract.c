#include "assay/contract.h"

const struct assay_contract softmax_f32_contract = {
    .version = 2,
    .dims = {"n"},
    .key = {"n"},
};
