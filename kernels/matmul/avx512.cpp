#include "kernels/matmul/avx512_tile.h"

extern "C" matmul_fn matmul_avx512;

extern "C" void matmul_avx512(const struct matmul_args* a) { run_tiles<Avx512, Plain<Avx512>>(a); }
