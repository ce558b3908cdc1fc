#include "harness/check/blocks.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string_view>
#include <vector>

#include "harness/check/values.h"

namespace assay {
namespace {

// What of a float's magnitude fp16 does not have is brought into its range, so that each class keeps many magnitudes
// and, if it had them, subnormal ones.
float within_half(float x) {
  int exponent = 0;
  const float fraction = std::frexp(x, &exponent);
  const bool fits = x == 0 || !std::isfinite(x) || (exponent >= -23 && std::fabs(x) < 65504);
  return fits ? x : std::ldexp(fraction, (exponent & 31) - 17);
}

/// Random bytes of the class.
void fill_codes(std::span<uint8_t> bytes, InputClass c, Rng& rng) {
  constexpr uint8_t kEnds[] = {0x00, 0xff, 0x80, 0x7f, 0x88, 0x77};  // the codes at the ends of 8 and of 4 bits
  const uint8_t end = kEnds[rng.below(std::size(kEnds))];
  const auto one_value = static_cast<uint8_t>(rng.next());
  uint64_t random = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    random = i % 8 == 0 ? rng.next() : random >> 8;
    if (c == InputClass::extreme) {
      bytes[i] = end;
    } else if (c == InputClass::constant) {
      bytes[i] = one_value;
    } else if (c == InputClass::cancellation) {  // of each two codes one is about the other's opposite
      bytes[i] = static_cast<uint8_t>(i % 2 == 0 ? random : 0 - bytes[i - 1]);
    } else {
      bytes[i] = static_cast<uint8_t>(random);
    }
  }
}

/// Makes a code of -128 one of -127.
void avoid_minus128(uint8_t& code) { code = code == 0x80 ? 0x81 : code; }

// In the class special a few scales of the whole buffer are special: were it one in 64, nearly every result of a
// product of matrices would be NaN, and none would show that rows and tokens stay apart.
uint64_t count_of_specials(InputClass c, size_t places, Rng& rng) {
  return c != InputClass::special || places == 0 ? 0 : rng.below(4);
}
constexpr uint16_t kSpecials[] = {0x7e00, 0xfe00, 0x7c01, 0x7c00, 0xfc00, 0x0000, 0x8000, 0x0001};
uint16_t draw_special(Rng& rng) { return kSpecials[rng.below(std::size(kSpecials))]; }

// A scale that is a float: that of a half, in the class wide with exponents of which a half has none, up to 2^110.
void write_wide_scale(uint8_t* to, uint64_t half, InputClass c, Rng& rng) {
  const int exponent = c == InputClass::wide ? static_cast<int>(rng.between(-94, 94)) : 0;
  write_u32(to, bits_of_float(std::ldexp(half_to_float(static_cast<uint16_t>(half)), exponent)));
}

}  // namespace

void repeat_first(std::span<uint8_t> bytes, size_t drawn) {
  for (size_t at = drawn; at < bytes.size(); at += drawn) {
    std::memcpy(&bytes[at], bytes.data(), std::min(drawn, bytes.size() - at));
  }
}

void fill_blocks(std::span<uint8_t> bytes, const weight_format& format, InputClass c, Rng& rng) {
  const size_t drawn = ((size_t{1} << 20) / format.bytes | 1) * format.bytes;
  if (bytes.size() > drawn) {
    fill_blocks(bytes.first(drawn), format, c, rng);
    repeat_first(bytes, drawn);
    return;
  }
  fill_codes(bytes, c, rng);
  std::vector<size_t> numbers;  // where they lie in a block
  if (!format.d_is_power && format.d_at != NOWHERE) {
    numbers.push_back(format.d_at);
  }
  if (format.m_at != NOWHERE) {
    numbers.push_back(format.m_at);
  }
  const auto write_number = [&](size_t at, uint64_t half) {
    if (format.are_floats != 0) {
      write_wide_scale(&bytes[at], half, c, rng);
    } else {
      write_u16(&bytes[at], static_cast<unsigned>(half));
    }
  };
  for (size_t at = 0; at < bytes.size(); at += format.bytes) {
    for (const size_t number : numbers) {
      write_number(at + number, draw_scale(c, rng));
    }
  }
  const size_t blocks = bytes.size() / format.bytes;
  for (uint64_t left = count_of_specials(c, blocks * numbers.size(), rng); left > 0; --left) {
    write_number(rng.below(blocks) * format.bytes + numbers[rng.below(numbers.size())], draw_special(rng));
  }
}

void without_code_of_minus128(std::span<uint8_t> blocks) {
  constexpr size_t kBytes = 34, kScale = 2;
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (i % kBytes >= kScale) {
      avoid_minus128(blocks[i]);
    }
  }
}

void fill_q8_k_blocks(std::span<uint8_t> bytes, InputClass c, Rng& rng) {
  constexpr size_t kBytes = 292;
  fill_codes(bytes, c, rng);
  for (size_t at = 0; at < bytes.size(); at += kBytes) {
    write_wide_scale(&bytes[at], draw_scale(c, rng), c, rng);
    for (size_t i = 0; i < 16; ++i) {
      int sum = 0;
      for (size_t j = 4 + 16 * i; j < 20 + 16 * i; ++j) {
        uint8_t& code = bytes[at + j];
        avoid_minus128(code);
        sum += static_cast<int8_t>(code);
      }
      write_u16(&bytes[at + 260 + 2 * i], static_cast<unsigned>(sum));
    }
  }
  const size_t blocks = bytes.size() / kBytes;
  for (uint64_t left = count_of_specials(c, blocks, rng); left > 0; --left) {
    write_wide_scale(&bytes[rng.below(blocks) * kBytes], draw_special(rng), c, rng);
  }
}

void fill_i8_s_tokens(std::span<uint8_t> bytes, size_t tokens, InputClass c, Rng& rng) {
  fill_codes(bytes, c, rng);
  const size_t token_bytes = tokens != 0 ? bytes.size() / tokens : 0;
  for (size_t t = 0; t < tokens; ++t) {
    const auto token = bytes.subspan(t * token_bytes, token_bytes);
    write_wide_scale(token.data(), draw_scale(c, rng), c, rng);
    uint32_t sum = 0;
    for (uint8_t& code : token.subspan(8)) {
      avoid_minus128(code);
      sum += static_cast<uint32_t>(static_cast<int8_t>(code));
    }
    write_u32(&token[4], sum);
  }
  for (uint64_t left = count_of_specials(c, tokens, rng); left > 0; --left) {
    write_wide_scale(&bytes[rng.below(tokens) * token_bytes], draw_special(rng), c, rng);
  }
}

void encode_floats(std::span<uint8_t> bytes, const weight_format& format, std::span<const float> values) {
  const bool is_half = std::string_view(format.layout) == "f16";
  for (size_t i = 0; i < values.size(); ++i) {
    float value = is_half ? within_half(values[i]) : values[i];
    if (format.encode(&bytes[i * format.bytes], &value) == 0) {
      value /= 2;  // the largest floats are Inf in bf16
      format.encode(&bytes[i * format.bytes], &value);
    }
  }
}

}  // namespace assay
