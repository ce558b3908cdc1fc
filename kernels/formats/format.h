// What is known of a weight format. Each kernels/formats/<format>.h describes one, in C and all static; the table of them
// (harness/runtime/formats.h), the families of kernels, the runner and the trials are made from it.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// How weights lie in a model file, and what pack makes of them for the matmul families.
struct weight_format {
  const char* name;         ///< "q4_0": of matmul_q4_0
  uint32_t gguf_type;       ///< GGUF's number of a tensor's type (enum ggml_type)
  size_t elements;          ///< of a block, consecutive weights of a row
  size_t bytes;             ///< of a block
  const char* activations;  ///< the format of the other factor
  /// Of the packed weights: f32 or f16, the weights as they are (kernels/matmul_float/layout.h), and nothing more is said here;
  /// or u and the bits of a code (kernels/matmul/layout.h).
  const char* layout;

  /// A weight is scale * (code - zero), the scale an fp16 that `group` consecutive weights share. Codes have code_bits; zero is
  /// half of their range.
  int code_bits;
  size_t group;
  /// Where in a block the fp16 scale of its group number `g` lies.
  size_t (*scale_at)(size_t g);
  /// The codes of a block, in the order of its weights.
  void (*codes)(uint8_t* codes, const uint8_t* block);
  /// A block of the nearest weights, by the format's own rule. 0: a number overflows, or the format has no NaN or Inf for one.
  int (*encode)(uint8_t* block, const float* x);
};

static inline uint16_t read_u16(const uint8_t* p) { return (uint16_t)(p[0] | p[1] << 8); }

static inline void write_u16(uint8_t* p, unsigned value) {
  p[0] = (uint8_t)value;
  p[1] = (uint8_t)(value >> 8);
}

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
