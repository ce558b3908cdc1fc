#include "kernels/quantize/kernel.h"
#include "kernels/shared/format.h"

extern "C" quantize_fn quantize_scalar;

extern "C" size_t quantize_scalar(void* dst, const float* x, size_t n) {
  const weight_format& format = DESCRIPTION(FORMAT);
  auto* block = static_cast<uint8_t*>(dst);
  for (size_t i = 0; i < n; i += format.elements, block += format.bytes) {
    if (format.encode(block, x + i) == 0) {
      return i;
    }
  }
  return n;
}
