#pragma once

namespace reference {

// What the codes of IQ4_NL and IQ4_XS stand for.
inline constexpr double kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

}  // namespace reference
