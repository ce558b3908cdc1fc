#include "assay/contract.h"

#include "kernels/attention/work.h"

static size_t scratch_bytes(const size_t* shape) {
  return scratch_floats(shape[0], shape[1], shape[2], shape[3]) * sizeof(float);
}

// The build renames what is defined after the kernel.
const struct assay_contract attention_contract = {
    .version = 1,
    .dims = {"n_q", "pos", "d", "group"},
    .key = {"d"},
    .scratch_bytes = scratch_bytes,
};
