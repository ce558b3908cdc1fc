// What is known of a weight format. Each kernels/formats/<format>.h describes one, in C and all static; the table of them
// (harness/runtime/formats.h), the families of kernels, the runner and the trials are made from it.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
  kMostElements = 256,  // of a block
  kMostGroups = 16,     // of a block
};

#define NOWHERE ((size_t)-1)

/// The type of a format that only the files of 2023 have, by their number of it: no number that a GGUF file may use.
#define only_in_2023(type) (1u << 16 | (type))

/// How weights lie in a model file, and what pack makes of them for the matmul families.
struct weight_format {
  const char* name;    ///< "q4_0": of matmul_q4_0
  uint32_t gguf_type;  ///< GGUF's number of a tensor's type (enum ggml_type); of what GGUF does not have: only_in_2023
  uint32_t former_type;     ///< another number that files have had for it, which means something else today; 0: none
  size_t elements;          ///< of a block, consecutive weights of a row
  size_t bytes;             ///< of a block
  const char* activations;  ///< the format of the other factor
  /// Of the packed weights: f32 or f16, the weights as they are (kernels/matmul_float/layout.h), and nothing more is said here;
  /// or u and the bits of a code (kernels/matmul/layout.h).
  const char* layout;

  /// A weight is d * scale * value + offset, where offset is m, or -m * minimum: d and m are numbers of the block; `group` consecutive
  /// weights share a scale and a minimum, which are integers, or 1 if there is no `sub_scales`.
  int code_bits;  ///< what a value needs in the layout
  size_t group;
  size_t
      d_at;  ///< where in a block d lies: an fp16; NOWHERE if the tensor has one scale, which the caller knows, and d is 1
  size_t m_at;     ///< likewise m; NOWHERE if there is none
  int are_floats;  ///< d and m are floats instead
  int d_is_power;  ///< d is one byte e (E8M0) instead: 2^(e - 128)
  /// The integers of each group of a block; minima are written where the format has an m.
  void (*sub_scales)(int8_t* scales, uint8_t* minima, const uint8_t* block);
  /// The values of a block, in the order of its weights.
  void (*values)(int8_t* values, const uint8_t* block);
  /// Of a layout whose codes are numbers of a table: those of a block, in the order of its weights. Else NULL.
  void (*codes)(uint8_t* codes, const uint8_t* block);
  /// A block of the nearest weights, by the format's own rule. 0: a number overflows, or the format has no NaN or Inf for one. NULL:
  /// nothing here writes the format yet.
  int (*encode)(uint8_t* block, const float* x);
};

// Not byte by byte: of bytes that were just written GCC makes neither one load nor one store.
static inline uint16_t read_u16(const uint8_t* p) {
  uint16_t value;
  memcpy(&value, p, 2);
  return value;
}

static inline void write_u16(uint8_t* p, unsigned value) {
  const uint16_t low = (uint16_t)value;
  memcpy(p, &low, 2);
}

static inline uint32_t read_u32(const uint8_t* p) {
  uint32_t value;
  memcpy(&value, p, 4);
  return value;
}

static inline void write_u32(uint8_t* p, uint32_t value) { memcpy(p, &value, 4); }

static inline uint32_t bits_of_float(float x) {
  union {
    float f;
    uint32_t u;
  } both = {x};
  return both.u;
}

static inline float float_of_bits(uint32_t bits) {
  union {
    uint32_t u;
    float f;
  } both = {bits};
  return both.f;
}

/// fp16 to float, exactly. The exponent and fraction go to their places in a float, and a product corrects the bias:
/// exact for subnormals too.
static inline float half_to_float(uint16_t half) {
  uint32_t bits = bits_of_float(float_of_bits((uint32_t)(half & 0x7fff) << 13) * 0x1p112f);
  bits |= (half & 0x7c00) == 0x7c00 ? 0x7f800000u : 0;  // Inf and NaN
  return float_of_bits(bits | (uint32_t)(half & 0x8000) << 16);
}

/// Float to fp16, to nearest even; over 65504 becomes Inf. Adding 2^13 ulp's worth of magnitude lets the float unit round at
/// the fp16's last bit (Giesen, "float->half variants", 2016); subnormal halves are rounded by adding 0.5, whose last
/// bit is 2^-24.
static inline uint16_t float_to_half(float x) {
  const uint32_t bits = bits_of_float(x);
  const uint32_t sign = bits >> 16 & 0x8000;
  uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) {
    return (uint16_t)(sign | 0x7e00);
  }
  if (magnitude >= 0x477ff000) {  // 65520 and over
    return (uint16_t)(sign | 0x7c00);
  }
  if (magnitude < 0x38800000) {  // under 2^-14: subnormal or zero
    return (uint16_t)(sign | (bits_of_float(float_of_bits(magnitude) + 0.5f) - bits_of_float(0.5f)));
  }
  magnitude += 0xfff + (magnitude >> 13 & 1);
  return (uint16_t)(sign | ((magnitude - (112u << 23)) >> 13));
}

static inline int is_finite_float(float x) { return (bits_of_float(x) & 0x7f800000) != 0x7f800000; }

/// What E8M0 stands for, halved: 2^(e - 128), of which the least two are subnormal.
static inline float half_of_power(uint8_t e) {
  return float_of_bits(e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23);
}

/// The tensor has one scale, which is in no block.
static inline int has_scale_of_tensor(const struct weight_format* format) {
  return format->values != NULL && format->d_at == NOWHERE;
}

/// d or m, which lies at p.
static inline float number_of_block(const struct weight_format* format, const uint8_t* p) {
  return format->are_floats ? float_of_bits(read_u32(p)) : half_to_float(read_u16(p));
}

/// The scale of each group of a block, d * scale, and what is added to each of its weights: -0, which changes nothing, where the format has
/// no m. A product of an fp16 and an integer of 8 bits is a float.
static inline void scales_of_block(const struct weight_format* format, float* scales, float* offsets,
                                   const uint8_t* block) {
  const size_t groups = format->elements / format->group;
  const float d = format->d_at == NOWHERE ? 1
                  : format->d_is_power    ? half_of_power(block[format->d_at])
                                          : number_of_block(format, block + format->d_at);
  const float m = format->m_at != NOWHERE ? number_of_block(format, block + format->m_at) : -0.0f;
  int8_t sub_scales[kMostGroups];
  uint8_t minima[kMostGroups];
  if (format->sub_scales) {
    format->sub_scales(sub_scales, minima, block);
  }
  for (size_t g = 0; g < groups; ++g) {
    scales[g] = format->sub_scales ? d * (float)sub_scales[g] : d;
    offsets[g] = format->sub_scales && format->m_at != NOWHERE ? -(m * (float)minima[g]) : m;
  }
}

/// The first of the values of largest magnitude, or 0.
static inline float signed_most(const float* x, size_t n) {
  float most = 0;
  for (size_t i = 0; i < n; ++i) {
    const float magnitude = x[i] < 0 ? -x[i] : x[i];
    most = magnitude > (most < 0 ? -most : most) ? x[i] : most;
  }
  return most;
}

static inline int are_finite(const float* x, size_t n) {
  int all = 1;
  for (size_t i = 0; i < n; ++i) {
    all &= is_finite_float(x[i]);
  }
  return all;
}

/// The nearest integer, half away from zero, of what an int holds: C's roundf.
static inline int round_half_away(float x) {
  const int whole = (int)x;  // toward zero
  const float rest = x - (float)whole;
  return whole + (rest >= 0.5f) - (rest <= -0.5f);
}

/// 1 / d, or 0 where that is no number: then all codes are those of 0.
static inline float inverse_of(float d) { return d != 0 && is_finite_float(1 / d) ? 1 / d : 0; }

/// What is stored of a scale: a zero of its sign where it has no inverse.
static inline float kept_scale(float d) { return inverse_of(d) != 0 ? d : 0 * d; }

/// Writes d as fp16. 0: it overflows.
static inline int write_scale(uint8_t* to, float d) {
  write_u16(to, float_to_half(d));
  return (read_u16(to) & 0x7c00) != 0x7c00;
}

/// The range of some values.
struct value_range {
  float least, most;
};
static inline struct value_range range_of(const float* x, size_t n) {
  struct value_range range = {x[0], x[0]};
  for (size_t i = 1; i < n; ++i) {
    range.least = x[i] < range.least ? x[i] : range.least;
    range.most = x[i] > range.most ? x[i] : range.most;
  }
  return range;
}

static inline uint64_t read_u64(const uint8_t* p) {
  uint64_t value;
  memcpy(&value, p, 8);
  return value;
}

/// Eight bits, the lowest first, as bytes of a word. Byte k keeps bit k, and a sum carries it to bit 7.
static inline uint64_t bytes_of_bits(uint8_t bits) {
  const uint64_t kept = bits * 0x0101010101010101u & 0x8040201008040201u;
  return (kept + 0x00406070787c7e7fu) >> 7 & 0x0101010101010101u;
}

/// 32 codes of 5 bits. The lower four of number i are the low half of byte i, those of number i + 16 its high half; the fifth is bit i of
/// `high`. In words: of single bytes GCC makes something slow.
static inline void codes_of_five_bits(uint8_t* codes, const uint8_t* high, const uint8_t* low) {
  for (size_t i = 0; i < 4; ++i) {
    const uint64_t four = read_u64(low + 8 * (i % 2)) >> (i < 2 ? 0 : 4) & 0x0f0f0f0f0f0f0f0fu;
    const uint64_t all = four | bytes_of_bits(high[i]) << 4;
    memcpy(codes + 8 * i, &all, 8);
  }
}

/// 32 codes of 4 bits: the low half of byte i is number i, the high half number i + 16.
static inline void codes_of_halves(uint8_t* codes, const uint8_t* from) {
  for (size_t i = 0; i < 16; ++i) {
    codes[i] = from[i] & 15;
    codes[16 + i] = from[i] >> 4;
  }
}

/// 256 codes of 2 bits, less `zero`, in 64 bytes: number 128 g + 32 n + i is bits 2 n and 2 n + 1 of byte 32 g + i.
static inline void planes_of_two_bits(int8_t* values, const uint8_t* codes, int zero) {
  for (size_t g = 0; g < 2; ++g) {
    for (size_t n = 0; n < 4; ++n) {
      for (size_t i = 0; i < 32; ++i) {
        values[128 * g + 32 * n + i] = (int8_t)((codes[32 * g + i] >> 2 * n & 3) - zero);
      }
    }
  }
}

/// Eight scales and eight minima of 6 bits in 12 bytes, as ggml's get_scale_min_k4 takes them out: the first four of each are the lower
/// bits of bytes 0 to 3 and 4 to 7, whose two higher ones belong to the other four, of which bytes 8 to 11 hold the lower halves.
static inline void scales_of_six_bits(int8_t* scales, uint8_t* minima, const uint8_t* packed) {
  for (size_t g = 0; g < 4; ++g) {
    scales[g] = (int8_t)(packed[g] & 63);
    minima[g] = packed[4 + g] & 63;
    scales[4 + g] = (int8_t)((packed[8 + g] & 15) | packed[g] >> 6 << 4);
    minima[4 + g] = (uint8_t)(packed[8 + g] >> 4 | packed[4 + g] >> 6 << 4);
  }
}

/// 32 of the 16 values of IQ4_NL and IQ4_XS, which lie denser around 0 (ggml's kvalues_iq4nl). The low half of byte i is the code of number
/// i, the high half that of i + 16.
static inline void values_of_iq4(int8_t* values, const uint8_t* codes) {
  static const int8_t kTable[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
  for (size_t i = 0; i < 16; ++i) {
    values[i] = kTable[codes[i] & 15];
    values[16 + i] = kTable[codes[i] >> 4];
  }
}
