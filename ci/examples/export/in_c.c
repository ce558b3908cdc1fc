/* A layer of a model, in C: weights of a file are packed once, by two threads, tokens are quantized and multiplied with them. Prints which variants
 * did it; exit status 1 if a result is wrong. */
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/kernels.h"

enum { rows = 128, cols = 256, tokens = 3, block = 32, block_bytes = 18, activation_bytes = 34 };

/* A number of 16 bits that is 2^-4. */
static const uint16_t one_16th = 0x2c00;

/* Every weight of Q4_0 is 2^-4 times (code - 8); the codes of a row repeat. */
static int code_of(int r, int c) { return (r + 3 * c) % 16; }

static void* must(void* memory) {
  if (memory == NULL) {
    abort();
  }
  return memory;
}

/* What one thread packs. */
struct part {
  void* packed;
  const uint8_t* weights;
  int begin, end;
  struct assay_matrix matrix;
};

static void* pack_part(void* argument) {
  struct part* p = argument;
  const uint8_t* from = p->weights + p->begin * (cols / block) * block_bytes;
  p->matrix = assay_matmul_q4_0_pack_rows(p->packed, from, rows, cols, p->begin, p->end);
  return NULL;
}

static struct assay_matrix pack(void* packed, const uint8_t* weights) {
  struct part parts[] = {{packed, weights, 0, rows / 2, {0}}, {packed, weights, rows / 2, rows, {0}}};
  pthread_t other;
  if (pthread_create(&other, NULL, pack_part, &parts[1]) != 0) {
    return assay_matmul_q4_0_pack(packed, weights, rows, cols); /* all at once */
  }
  pack_part(&parts[0]);
  pthread_join(other, NULL);
  return parts[0].matrix;
}

int main(void) {
  uint8_t* weights = must(calloc(rows * cols / block, block_bytes));
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < cols; ++c) {
      uint8_t* b = weights + (r * cols + c) / block * block_bytes;
      memcpy(b, &one_16th, 2);
      b[2 + c % 16] = (uint8_t)(b[2 + c % 16] | code_of(r, c) << (c % block < 16 ? 0 : 4));
    }
  }
  float *x = must(calloc(tokens * cols, sizeof *x)), *y = must(calloc(tokens * rows, sizeof *y));
  for (int i = 0; i < tokens * cols; ++i) {
    x[i] = (float)(i % 255 - 127); /* codes of 8 bits hold these whole */
  }
  void* packed = must(aligned_alloc(64, (assay_matmul_q4_0_packed_bytes(rows, cols) + 63) / 64 * 64));
  const struct assay_matrix w = pack(packed, weights);
  uint8_t* quantized = must(calloc(tokens * cols / block, activation_bytes));
  assay_quantize_q8_0(quantized, x, tokens * cols);
  void* scratch = must(aligned_alloc(64, (assay_matmul_q4_0_scratch_bytes(rows, cols, tokens) + 127) / 64 * 64));
  const struct matmul_args args = {
      .y = y, .x = quantized, .scratch = scratch, .ldy = rows, .tokens = tokens, .row_end = rows};
  assay_matmul_q4_0(&w, &args);

  int wrong = 0;
  for (int t = 0; t < tokens; ++t) {
    for (int r = 0; r < rows; ++r) {
      double sum = 0, size = 0;
      for (int c = 0; c < cols; ++c) {
        sum += (code_of(r, c) - 8) / 16.0 * x[t * cols + c];
        size += fabs((code_of(r, c) - 8) / 16.0 * x[t * cols + c]);
      }
      wrong += !(fabs(y[t * rows + r] - sum) <= 0.005 * size); /* the quantization's error */
    }
  }
  printf("matmul_q4_0 %s\n", assay_chosen("matmul_q4_0"));
  printf("quantize_q8_0 %s\n", assay_chosen("quantize_q8_0"));
  printf("%d of %d results are wrong\n", wrong, tokens * rows);
  free(scratch);
  free(quantized);
  free(packed);
  free(y);
  free(x);
  free(weights);
  return wrong != 0;
}
