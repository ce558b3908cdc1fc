#include "assay/contract.h"

// The build renames what is defined after the kernel.
const struct assay_contract quantize_contract = {
    .version = 1,
    .dims = {"n"},
    .left_out = "a file is written once: plain C++, and what compilers make of it",
};
