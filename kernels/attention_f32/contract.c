#include "assay/contract.h"

static size_t scratch_bytes(const size_t* shape) {
  const size_t keys = shape[0] + shape[1];
  const size_t floats = shape[0] > 1 ? 32 * (keys + shape[2]) + 16 : keys;
  return floats * sizeof(float);
}

const struct assay_contract attention_f32_contract = {
    .version = 3,
    .dims = {"n_q", "pos", "d"},
    .key = {"d"},
    .scratch_bytes = scratch_bytes,
};
