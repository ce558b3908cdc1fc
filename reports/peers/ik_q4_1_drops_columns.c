/* ik_llama.cpp's products of Q4_1 and Q5_1 weights and 32 tokens or more leave out the columns behind the last multiple of 128 where the rows are
 * a multiple of 8: weights are unpacked to 8 rows of Q8_1, whose product (mul_mat_q8_1_r8_q8_2) has no code for what is left behind groups of four blocks.
 *   cc -O1 ik_q4_1_drops_columns.c -ldl && ./a.out LIBGGML.SO
 * 160 weights of 1 times 160 activations of 1, 31 tokens: 160
 * 160 weights of 1 times 160 activations of 1, 32 tokens: 128 */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { type_q4_1 = 3, type_q8_2_x4 = 99, rows = 32, cols = 160, blocks = cols / 32, w_bytes = 20, x_bytes = 36 };
struct init {
  size_t size;
  void* memory;
  bool no_alloc;
};

int main(int argc, char** argv) {
  void* ggml = argc == 2 ? dlopen(argv[1], RTLD_NOW) : NULL;
  if (ggml == NULL) {
    fprintf(stderr, "%s\n", argc == 2 ? dlerror() : "name a libggml.so of ik_llama.cpp");
    return 2;
  }
  ((void* (*)(struct init))dlsym(ggml, "ggml_init"))((struct init){1 << 16, NULL, true});
  bool (*mul_mat)(long, long, long, int, const void*, long, int, const void*, long, float*, long, int, int) =
      dlsym(ggml, "iqk_mul_mat");
  void (*quantize_row)(const float*, void*, int64_t) = dlsym(ggml, "quantize_row_q8_2_x4");
  /* d = 0 and m = 1 as fp16, codes 0. */
  static uint8_t w[rows * blocks * w_bytes], x[rows * blocks * x_bytes];
  for (int i = 0; i < rows * blocks; ++i) w[i * w_bytes + 3] = 0x3c;
  float ones[cols];
  for (int i = 0; i < cols; ++i) ones[i] = 1;
  for (int t = 0; t < 32; ++t) quantize_row(ones, x + t * blocks * x_bytes, cols);
  for (int tokens = 31; tokens <= 32; ++tokens) {
    float y[32 * rows] = {0};
    mul_mat(rows, tokens, cols, type_q4_1, w, blocks * w_bytes, type_q8_2_x4, x, blocks * x_bytes, y, rows, 0, 1);
    printf("%d weights of 1 times %d activations of 1, %d tokens: %.0f\n", cols, cols, tokens, y[0]);
  }
  return 0;
}
