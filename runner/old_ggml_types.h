#pragma once
// How tensors of 2023 lie in a file, and what they become.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "runner/old_ggml.h"

namespace assay {

/// How a row becomes one of today's, or of a kernel's for 2023. Codes and scales stay what they are.
enum class OldLayout {
  same,
  planes,              ///< all numbers of a kind together: scales, or minima then scales; then all codes
  halves_to_pairs,     ///< byte i has the codes of weights i and i + 16; becomes those of 2 i and 2 i + 1
  pairs_to_halves,     ///< and the other way round
  sixteen_with_scale,  ///< Q4_2 and Q4_3, blocks of 16 weights, of which nothing else has the like: they become floats
  sixteen_with_minimum,
};

struct OldType {
  const char* name;
  uint32_t elements, bytes;  ///< of a block
  OldLayout layout;
  TensorType becomes;
};

/// Where rows of Q4_0 and Q4_1 lie in planes, as in the first days.
struct OldPlanes {
  bool q4_0 = false, q4_1 = false;
};

/// nullptr for a number that files of this container do not have. Valid for good.
const OldType* find_old_type(OldContainer container, uint32_t version, uint32_t number, OldPlanes planes = {});

/// Files of `ggml` do not say in which of two ways their rows of Q4_0 and Q4_1 lie, which take the same room: as planes until 11 March and 17
/// March 2023, KoAlpaca.cpp's and alpaca.cpp's Q4_1 for good, and as blocks. Told by what is a scale in either reading: small, and never
/// negative. Throws InputError where neither has scales.
OldPlanes find_planes(const std::vector<OldFile>& parts);

/// Bytes that a row of `cols` weights has in the file; cols is a multiple of type.elements.
inline uint64_t old_row_bytes(const OldType& type, uint64_t cols) { return cols / type.elements * type.bytes; }

/// Lays a row out anew: `cols` weights from `from` to `to`, which takes what `type.becomes` takes for them.
void lay_out_row(const OldType& type, std::byte* to, const std::byte* from, uint64_t cols);

}  // namespace assay
