// What code calls that cannot include a format: x87.asm and generated code.
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A block taken apart. The weights of its group number g are scales[g] * values[g * group ..] + offsets[g].
struct dequantize_block {
  size_t bytes;  ///< of the block in the file
  size_t groups;
  size_t group;  ///< weights
  float scales[16], offsets[16];
  int16_t values[256];
};

void dequantize_integers(struct dequantize_block* to, const uint8_t* block);

#ifdef __cplusplus
}
#endif
