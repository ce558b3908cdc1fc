#include "kernels/shared/avx2_activations.h"
#include "kernels/softcap_f32/kernel.h"

extern "C" softcap_f32_fn softcap_f32_avx2;

extern "C" void softcap_f32_avx2(float* y, const float* x, float c, size_t n) {
  elementwise<2, kTogether>(y, n, softcap(c), x);
}
