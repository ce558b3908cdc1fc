#include "kernels/matmul/avx2_tile.h"

extern "C" matmul_fn matmul_avx_vnni;

namespace {

struct AvxVnni : Avx2 {
  static Int add_products(Int sum, Int codes, Int x) { return _mm256_dpbusd_avx_epi32(sum, codes, x); }
};

}  // namespace

extern "C" void matmul_avx_vnni(const struct matmul_args* a) { run_tiles<AvxVnni, Vnni<AvxVnni>>(a); }
