#include "assay/contract.h"

const struct assay_contract softcap_f32_contract = {
    .version = 1,
    .dims = {"n"},
    .key = {"n"},
};
