#include "assay/contract.h"

const struct assay_contract convert_f16_contract = {
    .version = 1,
    .dims = {"n"},
    .key = {"n"},
};
