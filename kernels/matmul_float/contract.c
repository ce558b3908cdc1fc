#include "assay/contract.h"
#include "kernels/matmul_float/layout.h"

#define STRING(x) #x
#define NAME(x) STRING(x)

// The copied tokens; and a panel's weights as floats where they are others.
static size_t scratch_bytes(const size_t* shape) {
  const size_t tokens = shape[2];
  const size_t copies = tokens <= 1 ? 0 : (tokens < kBatch ? tokens : (size_t)kBatch) * kStride;
  const size_t floats = LAYOUT_BITS == 32 ? 0 : kPanel * (size_t)(tokens <= 1 ? kFewColumns : kBlock);
  return (copies + floats) * sizeof(float);
}

// The build names the format, and renames what is defined after the kernel.
const struct assay_contract matmul_float_contract = {
    .version = 2,
    .dims = {"rows", "cols", "tokens"},
    .key = {"rows", "cols", "tokens"},
    .parameters =
        {
            // Bytes that weights are fetched ahead where there are several tokens; 0: they are not.
            {"prefetch", 2048, {0, 512, 4096}, 3},
            // Tokens of the largest tile; 0: as many as the registers hold.
            {"tile", 0, {1, 4, 6}, 3},
        },
    .scratch_bytes = scratch_bytes,
    .weights = NAME(FORMAT),
    .activations = "f32",
    .row_step = 64,
};
