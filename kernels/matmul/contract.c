#include "assay/contract.h"

#define STRING(x) #x
#define NAME(x) STRING(x)

// Of up to 64 tokens, each block of 32 columns takes 72 bytes (layout.h).
static size_t scratch_bytes(const size_t* shape) {
  const size_t batch = shape[2] < 64 ? shape[2] : 64;
  return batch * (shape[1] / 32) * 72;
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
