/* The generators of assay's library: code made at run time for given sizes. C11, C++. They need C++'s run-time library and memory that may become
 * executable. */
#pragma once
#include <stddef.h>

#include "assay/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Code of a generator ("jit_avx2") for a kernel at these sizes, in the order of the contract's dims, with these values of the contract's parameters, or NULL
 * for its own. To be called as the kernel's function type (kernel.h) at these sizes; of a product with weights as assay_<kernel>_pack packs them where
 * ASSAY_FORCE or the CPU takes a variant of one layout with it. It is kept while the process lives: for the same sizes it is made once. NULL: there is no such kernel
 * or generator, this CPU does not run it, or the system lets no memory become executable. Thread-safe. */
__attribute__((visibility("default"))) assay_any_fn assay_generate(const char* kernel, const char* label, const size_t* shape,
                                                                   const size_t* parameters);

#ifdef __cplusplus
}
#endif
