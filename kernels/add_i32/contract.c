#include "assay/contract.h"

const struct assay_contract add_i32_contract = {
    .version = 1,
    .dims = {"n"},
    .key = {"n"},
};
