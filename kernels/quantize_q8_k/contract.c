#include "assay/contract.h"

const struct assay_contract quantize_q8_k_contract = {
    .version = 1,
    .dims = {"n"},
    .key = {"n"},
};
