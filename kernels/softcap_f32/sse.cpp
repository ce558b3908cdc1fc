#include "kernels/shared/sse_activations.h"
#include "kernels/softcap_f32/kernel.h"

extern "C" softcap_f32_fn softcap_f32_sse;

extern "C" void softcap_f32_sse(float* y, const float* x, float c, size_t n) { elementwise<1>(y, n, softcap(c), x); }
