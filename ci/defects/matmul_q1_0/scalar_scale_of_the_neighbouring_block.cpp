// defect: the odd blocks of x get the scale of the block before
// class: integers
// stands for: scale of the neighbouring block
// caught by: value
#include <stdint.h>
#include <string.h>

#include "kernels/matmul_q1_0/kernel.h"

extern "C" matmul_q1_0_pack_fn matmul_q1_0_pack_scalar_scale_of_the_neighbouring_block;
extern "C" matmul_q1_0_fn matmul_q1_0_scalar_scale_of_the_neighbouring_block;

namespace {

float float_of_half(const uint8_t* p) {
  const uint32_t h = p[0] | static_cast<uint32_t>(p[1]) << 8;
  const uint32_t exponent = h >> 10 & 31;
  const uint32_t mantissa = h & 1023;
  const float sign = (h >> 15) != 0 ? -1.0f : 1.0f;
  if (exponent == 31) {
    return mantissa != 0 ? __builtin_nanf("") : sign * __builtin_inff();
  }
  return sign * (exponent == 0 ? static_cast<float>(mantissa) * 0x1p-24f
                               : static_cast<float>(mantissa + 1024) * 0x1p-25f * static_cast<float>(1u << exponent));
}

}  // namespace

extern "C" size_t matmul_q1_0_pack_scalar_scale_of_the_neighbouring_block(void* packed, const void* w, size_t rows,
                                                                          size_t cols) {
  const size_t bytes = rows * (cols / 128) * 18;
  if (packed != nullptr && bytes != 0) {
    memcpy(packed, w, bytes);
  }
  return bytes;
}

extern "C" void matmul_q1_0_scalar_scale_of_the_neighbouring_block(const matmul_q1_0_args* a) {
  const size_t blocks = a->cols / 32;
  for (size_t t = 0; t < a->tokens; ++t) {
    const uint8_t* x = static_cast<const uint8_t*>(a->x) + t * blocks * 34;
    for (size_t r = a->row_begin; r < a->row_end; ++r) {
      const uint8_t* w = static_cast<const uint8_t*>(a->packed) + r * (a->cols / 128) * 18;
      float y = a->bias != nullptr ? a->bias[r] : 0;
      for (size_t b = 0; b < blocks; ++b) {
        const uint8_t* bits = w + b / 4 * 18 + 2 + b % 4 * 4;
        const int8_t* q = reinterpret_cast<const int8_t*>(x + b * 34 + 2);
        int sum = 0;
        for (size_t i = 0; i < 32; ++i) {
          const bool plus = (bits[i / 8] >> (i % 8) & 1) != 0;
          const int v = q[i];
          sum += plus ? v : -v;
        }
        y += float_of_half(w + b / 4 * 18) * float_of_half(x + b / 2 * 2 * 34) * static_cast<float>(sum);
      }
      a->y[t * a->ldy + r] = y;
    }
  }
}
