#pragma once
#include <cstdint>

namespace reference {

/// The IEEE 754 binary16 in two bytes, the lower one first, as GGUF has all its numbers.
double half_at(const uint8_t* bytes);

}  // namespace reference
