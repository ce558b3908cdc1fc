#include "kernels/dequantize/block.h"
#include "kernels/dequantize/kernel.h"

extern "C" dequantize_fn dequantize_scalar;

#ifdef FORMAT_OF_FLOATS
extern "C" void dequantize_scalar(float* y, const void* x, size_t n) {
  const uint8_t* weights = static_cast<const uint8_t*>(x);
#pragma GCC ivdep  // y does not overlap x
  for (size_t i = 0; i < n; ++i) {
    y[i] = weight_at(weights + kBytes * i);
  }
}
#else
extern "C" void dequantize_scalar(float* y, const void* x, size_t n) {
  const weight_format& format = DESCRIPTION(FORMAT);
  const uint8_t* block = static_cast<const uint8_t*>(x);
  for (; n > 0; n -= format.elements, block += format.bytes) {
    uint8_t codes[kMostElements];
    codes_of_block(codes, block);
    for (size_t i = 0; i < format.elements; i += format.group, y += format.group) {
      const float d = half_to_float(scale_of_group(block, i / format.group));
      for (size_t j = 0; j < format.group; ++j) {
        y[j] = static_cast<float>(codes[i + j] - code_of_zero()) * d;
      }
    }
  }
}
#endif
