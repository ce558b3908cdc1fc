#include "kernels/dequantize/integers.h"

#include "kernels/shared/format.h"

#ifndef FORMAT_OF_FLOATS
// As x87.asm has them.
_Static_assert(offsetof(struct dequantize_block, scales) == 24 && offsetof(struct dequantize_block, offsets) == 88 &&
                   offsetof(struct dequantize_block, values) == 152 && sizeof(struct dequantize_block) == 664,
               "x87.asm says where these lie");

void dequantize_integers(struct dequantize_block* to, const uint8_t* block) {
  const struct weight_format* format = &DESCRIPTION(FORMAT);
  int8_t values[kMostElements];
  values_of_block(values, block);
  for (size_t i = 0; i < format->elements; ++i) {
    to->values[i] = values[i];
  }
  to->bytes = format->bytes;
  to->groups = format->elements / format->group;
  to->group = format->group;
  scales_of_block(format, to->scales, to->offsets, block);
}
#endif
