#include "assay/contract.h"
#include "kernels/matmul/layout.h"

#ifdef FORMAT_SCRATCH  // the format has variants of its own
#include FORMAT_SCRATCH
#else
static size_t scratch_of_format(const size_t* shape) {
  (void)shape;
  return 0;
}
#endif

#define STRING(x) #x
#define NAME(x) STRING(x)

static size_t scratch_bytes(const size_t* shape) {
  const size_t batch = shape[2] < kBatch ? shape[2] : (size_t)kBatch;
  const size_t of_tile = LAYOUT_I8_S ? 0 : batch * (shape[1] / kXColumns) * kScratch;
  const size_t of_format = scratch_of_format(shape);
  return of_tile > of_format ? of_tile : of_format;
}

// The build names the format, and renames what is defined after the kernel.
const struct assay_contract matmul_contract = {
    .version = 2,
    .dims = {"rows", "cols", "tokens"},
    .key = {"rows", "cols", "tokens"},
    .parameters =
        {
            // Bytes that the weights of one token are prefetched ahead; 0: they are not.
            {"prefetch", kAhead, {0, 1024, 8192}, 3},
            // Tokens of the largest tile; 0: as many as the registers hold.
            {"tile", 0, {1, 2, 4}, 3},
        },
    .scratch_bytes = scratch_bytes,
    .weights = NAME(FORMAT),
    .activations = LAYOUT_I8_S   ? "i8_s"
                   : LAYOUT_Q8_K ? "q8_k"
                                 : "q8_0",
    .row_step = 64,
};
