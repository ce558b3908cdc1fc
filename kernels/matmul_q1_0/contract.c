#include "assay/contract.h"

static size_t scratch_bytes(const size_t* shape) { return 16 * shape[1]; }

const struct assay_contract matmul_q1_0_contract = {
    .version = 1,
    .dims = {"rows", "cols", "tokens"},
    .key = {"rows", "cols", "tokens"},
    .scratch_bytes = scratch_bytes,
    .weights = "q1_0",
    .activations = "q8_0",
    .row_step = 64,
};
