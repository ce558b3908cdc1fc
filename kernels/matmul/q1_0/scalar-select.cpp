#include <stdint.h>
#include <string.h>

#include "kernels/formats/format.h"
#include "kernels/matmul/kernel.h"

extern "C" matmul_fn matmul_q1_0_scalar_select;
extern "C" matmul_pack_fn matmul_q1_0_pack_scalar_select;

// Rows in the innermost loops, so that the compiler (auto_v2 .. auto_v4) can keep 64 of them in the lanes of vectors
// and needs no horizontal sums; all integer sums of one block fit 16 bits.
//
// Packed: for each 64 rows and 128 columns, d1 of the rows as floats and 8 arrays of 64 words: bit k of word r of array
// j is the weight of row r and column 16 j + k. Rows past the end are zero.
namespace {

constexpr size_t kTile = 64;
struct Group {
  float d1[kTile];
  uint16_t words[8][kTile];
};

// What a token's block needs: 32 activations as words, their sum, and d8.
struct Block {
  uint16_t q[32];
  uint16_t sum;
  float d8;
};
static_assert(sizeof(Block) == 72, "two tokens fit into scratch: 512 bytes for 32 columns");

void widen(Block* blocks, const uint8_t* x, size_t count) {
  for (size_t b = 0; b < count; ++b, x += 34) {
    unsigned sum = 0;
    for (size_t i = 0; i < 32; ++i) {
      const int q = static_cast<int8_t>(x[2 + i]);
      blocks[b].q[i] = static_cast<uint16_t>(q);
      sum += static_cast<unsigned>(q);
    }
    blocks[b].sum = static_cast<uint16_t>(sum);
    blocks[b].d8 = half_to_float(read_u16(x));
  }
}

// The sum of the activations whose bits are set among 16 columns.
inline uint16_t masked_sum(uint16_t word, const uint16_t* q) {
  uint16_t sum = 0;
#pragma GCC unroll 16
  for (int k = 0; k < 16; ++k) {
    const uint16_t value = q[k];  // loaded whatever the bit: a select, no branch
    sum = static_cast<uint16_t>(sum + ((word & (1 << k)) != 0 ? value : 0));
  }
  return sum;
}

template <size_t kTokens>
void tile(float* sums, const Group* group, const Block* blocks, size_t block_count) {
  for (size_t b = 0; b < block_count; b += 4, ++group) {
    float part[kTokens][kTile] = {};
    for (size_t j = 0; j < 4; ++j) {
      for (size_t t = 0; t < kTokens; ++t) {
        const Block& block = blocks[t * block_count + b + j];
        const float d8 = block.d8;
        const uint16_t sum = block.sum;
        uint16_t integer[kTile];
        for (size_t r = 0; r < kTile; ++r) {
          const uint16_t low = masked_sum(group->words[2 * j][r], block.q);
          const uint16_t high = masked_sum(group->words[2 * j + 1][r], block.q + 16);
          integer[r] = static_cast<uint16_t>(2 * (low + high) - sum);  // sum of +-q from the sum of the positive ones
        }
        for (size_t r = 0; r < kTile; ++r) {
          part[t][r] += d8 * static_cast<float>(static_cast<int16_t>(integer[r]));
        }
      }
    }
    for (size_t t = 0; t < kTokens; ++t) {
      for (size_t r = 0; r < kTile; ++r) {
        sums[t * kTile + r] += group->d1[r] * part[t][r];
      }
    }
  }
}

template <size_t kTokens>
void tokens_at(const matmul_args* a, size_t t0) {
  const size_t block_count = a->cols / 32;
  auto* blocks = static_cast<Block*>(a->scratch);
  for (size_t t = 0; t < kTokens; ++t) {
    widen(blocks + t * block_count, static_cast<const uint8_t*>(a->x) + (t0 + t) * block_count * 34, block_count);
  }
  for (size_t r0 = a->row_begin; r0 < a->row_end; r0 += kTile) {
    const size_t count = a->row_end - r0 < kTile ? a->row_end - r0 : kTile;
    float sums[kTokens * kTile] = {};
    if (a->bias != nullptr) {
      for (size_t t = 0; t < kTokens; ++t) {
        memcpy(sums + t * kTile, a->bias + r0, count * sizeof(float));
      }
    }
    tile<kTokens>(sums, static_cast<const Group*>(a->packed) + r0 / kTile * (a->cols / 128), blocks, block_count);
    for (size_t t = 0; t < kTokens; ++t) {
      memcpy(a->y + (t0 + t) * a->ldy + r0, sums + t * kTile, count * sizeof(float));
    }
  }
}

}  // namespace

extern "C" size_t matmul_q1_0_pack_scalar_select(void* packed, const void* w, size_t rows, size_t cols) {
  const size_t groups = cols / 128;
  const size_t bytes = (rows + kTile - 1) / kTile * groups * sizeof(Group);
  if (packed == nullptr || bytes == 0) {
    return bytes;
  }
  memset(packed, 0, bytes);
  for (size_t r = 0; r < rows; ++r) {
    const uint8_t* from = static_cast<const uint8_t*>(w) + r * groups * 18;
    Group* group = static_cast<Group*>(packed) + r / kTile * groups;
    for (size_t g = 0; g < groups; ++g, from += 18, ++group) {
      group->d1[r % kTile] = half_to_float(read_u16(from));
      for (size_t j = 0; j < 8; ++j) {
        group->words[j][r % kTile] = static_cast<uint16_t>(from[2 + 2 * j] | from[3 + 2 * j] << 8);
      }
    }
  }
  return bytes;
}

extern "C" void matmul_q1_0_scalar_select(const matmul_args* a) {
  size_t t = 0;
  for (; t + 2 <= a->tokens; t += 2) {
    tokens_at<2>(a, t);
  }
  if (t < a->tokens) {
    tokens_at<1>(a, t);
  }
}
