#include "assay/contract.h"

const struct assay_contract softmax_f32_contract = {
    .version = 1,
    .dims = {"n"},
    .key = {"n"},
};
