#include "assay/contract.h"

const struct assay_contract quantize_i8_s_contract = {
    .version = 1,
    .dims = {"n"},
    .key = {"n"},
};
