#include "kernels/matmul/avx512_tile.h"

extern "C" matmul_fn matmul_avx512_vnni;

namespace {

struct Avx512Vnni : Avx512 {
  static Int add_products(Int sum, Int codes, Int x) { return _mm512_dpbusd_epi32(sum, codes, x); }
};

}  // namespace

extern "C" void matmul_avx512_vnni(const struct matmul_args* a) { run_tiles<Avx512Vnni, Vnni<Avx512Vnni>>(a); }
