#include "assay/contract.h"

const struct assay_contract matmul_f32_contract = {
    .version = 1,
    .dims = {"rows", "cols", "tokens"},
    .key = {"rows", "cols", "tokens"},
    .weights = "f32",
    .activations = "f32",
    .row_step = 32,
};
