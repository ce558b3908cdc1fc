/* What is known of a kernel without running it. Each kernel states it once, in kernels/<kernel>/contract.c beside its
 * kernel.h; the harness, the runner, plug-ins and exports read it. C11. */
#pragma once
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { assay_most_dims = 4, assay_most_parameters = 7, assay_most_values = 4 };

/** A number that a generator takes beside the sizes, such as a prefetch distance. */
struct assay_parameter {
  const char* name;
  size_t value; /**< what it is where nobody measured better */
  /** Other values that a CPU may want: checks try them too. The first n_others of these. */
  size_t others[assay_most_values], n_others;
};

/** Of a product with packed weights: lays them out once as its variants want them. `w` is row-major, `rows` rows of `cols` weights of
 * the contract's format, aligned to 1 byte; `packed` is aligned to 64. Returns the bytes that packed needs, and writes each of them;
 * with packed = NULL it writes none, and w may be NULL too. Parts of the rows can be packed apart, by several threads: what is packed
 * of the rows from r on, r a multiple of row_step, lies pack(NULL, NULL, r, cols) bytes behind the first. */
typedef size_t assay_pack_fn(void* packed, const void* w, size_t rows, size_t cols);

/** What a kernel must keep. Beside what it says, all that holds for each: a function uses no more than 64 KiB of stack. */
struct assay_contract {
  /** Raised when variants of the contract before would be wrong: what was measured or checked by it holds no more. */
  unsigned version;
  /** Names of the sizes in a shape, in order; NULL behind the last. */
  const char* dims[assay_most_dims + 1];
  /** The sizes that generated code is made for: a generator's key is their values, then those of the parameters. */
  const char* key[assay_most_dims + 1];
  struct assay_parameter parameters[assay_most_parameters + 1]; /**< name NULL behind the last */
  /** Bytes of scratch for a shape; NULL: the kernel takes none. */
  size_t (*scratch_bytes)(const size_t* shape);
  /** Of a product with packed weights: their format and that of the other factor; else NULL. */
  const char *weights, *activations;
  /** Of a kernel that takes a range of rows: the range begins at a multiple of this, and ends at one or at the last row. */
  size_t row_step;
  /** Why no ISA but plain C++ and the compiler's has a variant; NULL: all have one that may. */
  const char* left_out;
};

#ifdef __cplusplus
}
#endif
