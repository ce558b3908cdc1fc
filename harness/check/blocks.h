#pragma once
#include <cstdint>
#include <span>

#include "harness/check/case_id.h"
#include "harness/runtime/rng.h"
#include "kernels/formats/format.h"

namespace assay {

/// Blocks of a format of codes: random bytes of the class, with scales where they lie. Of many blocks the first are drawn and then repeated.
/// They are an odd number: what lies a power of two away is something else.
void fill_blocks(std::span<uint8_t> bytes, const weight_format& format, InputClass c, Rng& rng);

/// Makes codes of -128 in blocks of Q8_0 -127.
void without_code_of_minus128(std::span<uint8_t> blocks);

/// Blocks of Q8_K: codes of -127 to 127, with their sums, and scales of a magnitude of up to 2^110.
void fill_q8_k_blocks(std::span<uint8_t> bytes, InputClass c, Rng& rng);

/// Tokens of I8_S, one after the other: codes of -127 to 127, with their sum, and a scale of a magnitude of up to 2^110.
void fill_i8_s_tokens(std::span<uint8_t> bytes, size_t tokens, InputClass c, Rng& rng);

/// The first `drawn` bytes again and again, to the end.
void repeat_first(std::span<uint8_t> bytes, size_t drawn);

/// Values as weights of a format of floats, within its range.
void encode_floats(std::span<uint8_t> bytes, const weight_format& format, std::span<const float> values);

}  // namespace assay
