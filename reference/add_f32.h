#pragma once

namespace reference {

/// x + y, correctly rounded: in double first, which is harmless as 53 >= 2*24 + 2.
float add_f32(float x, float y);

}  // namespace reference
