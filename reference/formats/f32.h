#pragma once
#include <cstdint>

namespace reference {

/// The IEEE 754 binary32 in four bytes, the lowest one first.
double float_at(const uint8_t* bytes);

}  // namespace reference
