#pragma once
#include <stddef.h>

/// What the variants of this folder keep in scratch: 16 bytes for a column, the tables of two tokens.
static inline size_t scratch_of_format(const size_t* shape) { return 16 * shape[1]; }
