#include "reference/add_i32.h"

namespace reference {

int32_t add_i32(int32_t x, int32_t y) {
  const int64_t sum = static_cast<int64_t>(x) + static_cast<int64_t>(y);
  return static_cast<int32_t>(static_cast<uint32_t>(sum & 0xffffffff));
}

}  // namespace reference
