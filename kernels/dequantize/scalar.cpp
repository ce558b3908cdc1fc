#include "kernels/shared/format.h"
#include "kernels/dequantize/kernel.h"
#include "kernels/shared/independent.h"

extern "C" dequantize_fn dequantize_scalar;

#ifdef FORMAT_OF_FLOATS
extern "C" void dequantize_scalar(float* y, const void* x, size_t n) {
  const uint8_t* weights = static_cast<const uint8_t*>(x);
  INDEPENDENT_ITERATIONS  // y does not overlap x
  for (size_t i = 0; i < n; ++i) {
    y[i] = weight_at(weights + kBytes * i);
  }
}
#else
extern "C" void dequantize_scalar(float* y, const void* x, size_t n) {
  const weight_format& format = DESCRIPTION(FORMAT);
  const uint8_t* block = static_cast<const uint8_t*>(x);
  for (; n > 0; n -= format.elements, block += format.bytes) {
    alignas(64) int8_t values[kMostElements];
    float scales[kMostGroups];
    float offsets[kMostGroups];
    values_of_block(values, block);
    scales_of_block(&format, scales, offsets, block);
    for (size_t g = 0; g < format.elements / format.group; ++g, y += format.group) {
      for (size_t j = 0; j < format.group; ++j) {
        const float weight = static_cast<float>(values[g * format.group + j]) * scales[g];
        y[j] = format.m_at != NOWHERE ? weight + offsets[g] : weight;
      }
    }
  }
}
#endif
