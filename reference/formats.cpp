#include "reference/formats.h"

namespace reference {

const Format* find_format(uint32_t type) {
  for (const Format& format : formats()) {
    if (format.type == type) {
      return &format;
    }
  }
  return nullptr;
}

std::vector<double> decode(const Format& format, const uint8_t* blocks, size_t count) {
  std::vector<double> out(count * format.elements);
  for (size_t i = 0; i < count; ++i) {
    format.decode(blocks + i * format.bytes, out.data() + i * format.elements);
  }
  return out;
}

}  // namespace reference
