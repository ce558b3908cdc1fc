#include "kernels/dequantize/integers.h"

#include "kernels/dequantize/block.h"

#ifndef FORMAT_OF_FLOATS
// As x87.asm has them.
_Static_assert(offsetof(struct dequantize_block, scales) == 24 && offsetof(struct dequantize_block, codes) == 88 &&
                   sizeof(struct dequantize_block) == 600,
               "x87.asm says where these lie");

void dequantize_integers(struct dequantize_block* to, const uint8_t* block) {
  const struct weight_format* format = &DESCRIPTION(FORMAT);
  uint8_t codes[kMostElements];
  codes_of_block(codes, block);
  for (size_t i = 0; i < format->elements; ++i) {
    to->codes[i] = (int16_t)(codes[i] - code_of_zero());
  }
  to->bytes = format->bytes;
  to->groups = format->elements / format->group;
  to->group = format->group;
  for (size_t g = 0; g < to->groups; ++g) {
    to->scales[g] = scale_of_group(block, g);
  }
}
#endif
