#include "assay/contract.h"
#include "kernels/matmul/layout.h"

#define STRING(x) #x
#define NAME(x) STRING(x)

static size_t scratch_bytes(const size_t* shape) {
  const size_t batch = shape[2] < kBatch ? shape[2] : (size_t)kBatch;
  return batch * (shape[1] / kBlock) * kScratch;
}

// The build names the format, and renames what is defined after the kernel.
const struct assay_contract matmul_contract = {
    .version = 1,
    .dims = {"rows", "cols", "tokens"},
    .key = {"rows", "cols", "tokens"},
    .scratch_bytes = scratch_bytes,
    .weights = NAME(FORMAT),
    .activations = "q8_0",
    .row_step = 64,
};
