/* ik_llama.cpp's product of IQ4_XS weights and fewer than 32 tokens saturates in builds for AVX2: it makes the weights' values unsigned, up to
 * 241, and two products of such a value and an activation of up to 127 do not fit the 16 bits of VPMADDUBSW (mul_mat_qX_K_q8_K_T, multiply_add).
 *   cc -O1 ik_iq4_xs_saturates.c -ldl -lm && ./a.out LIBGGML.SO
 * 256 x 113 x 127: got 32640, 3673856 is right
 * normal weights and activations, quantized by its own functions, one token: off by 4% of the results' size */
#include <dlfcn.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { type_q8_k = 15, type_iq4_xs = 23, rows = 64, cols = 4096, row_bytes = cols / 256 * 136 };
struct q8_k {
  float d, sum;
  int8_t codes[256];
  int16_t sums[16];
};
struct init {
  size_t size;
  void* memory;
  bool no_alloc;
};

static float weights[rows * cols], x[cols], row[cols], y[rows];
static uint8_t w[rows * row_bytes];
static struct q8_k activations[cols / 256];

static float normal(void) {
  float sum = 0;
  for (int i = 0; i < 12; ++i) sum += (float)rand() / (float)RAND_MAX;
  return sum - 6;
}

int main(int argc, char** argv) {
  void* ggml = argc == 2 ? dlopen(argv[1], RTLD_NOW) : NULL;
  if (ggml == NULL) {
    fprintf(stderr, "%s\n", argc == 2 ? dlerror() : "name a libggml.so of ik_llama.cpp");
    return 2;
  }
  ((void* (*)(struct init))dlsym(ggml, "ggml_init"))((struct init){1 << 16, NULL, true});
  bool (*mul_mat)(long, long, long, int, const void*, long, int, const void*, long, float*, long, int, int) =
      dlsym(ggml, "iqk_mul_mat");
  size_t (*quantize)(int, const float*, void*, int64_t, int64_t, int64_t, const float*) =
      dlsym(ggml, "ggml_quantize_chunk");
  void (*dequantize_row)(const void*, float*, int64_t) = dlsym(ggml, "dequantize_row_iq4_xs");
  void (*quantize_row)(const float*, void*, int64_t) = dlsym(ggml, "quantize_row_q8_K");

  /* 256 weights of 113, the last of the table, with d = 1 and scales of 33 - 32; 256 activations of 127. */
  uint8_t block[136] = {0, 0x3c, 0xaa, 0xaa, 0x11, 0x11, 0x11, 0x11};
  struct q8_k ones = {.d = 1, .sum = 256 * 127};
  for (int i = 0; i < 128; ++i) block[8 + i] = 0xff;
  for (int i = 0; i < 256; ++i) ones.codes[i] = 127;
  for (int i = 0; i < 16; ++i) ones.sums[i] = 16 * 127;
  mul_mat(1, 1, 256, type_iq4_xs, block, sizeof block, type_q8_k, &ones, sizeof ones, y, 1, 0, 1);
  printf("256 x 113 x 127: got %.0f, %d is right\n", y[0], 256 * 113 * 127);

  for (int i = 0; i < rows * cols; ++i) weights[i] = normal();
  for (int i = 0; i < cols; ++i) x[i] = normal();
  quantize(type_iq4_xs, weights, w, 0, rows, cols, NULL);
  quantize_row(x, activations, cols);
  mul_mat(rows, 1, cols, type_iq4_xs, w, row_bytes, type_q8_k, activations, sizeof activations, y, rows, 0, 1);
  double off = 0, all = 0;
  for (int r = 0; r < rows; ++r) {
    double right = 0;
    dequantize_row(w + r * row_bytes, row, cols);
    for (int c = 0; c < cols; ++c)
      right += (double)row[c] * activations[c / 256].d * activations[c / 256].codes[c % 256];
    off += (y[r] - right) * (y[r] - right);
    all += right * right;
  }
  printf(
      "normal weights and activations, quantized by its own functions, one token: off by %.0f%% of the results' size\n",
      100 * sqrt(off / all));
  return 0;
}
