#include "kernels/matmul/avx2_tile.h"

extern "C" matmul_fn matmul_avx2;

extern "C" void matmul_avx2(const struct matmul_args* a) { run_tiles<Avx2, Plain<Avx2>>(a); }
