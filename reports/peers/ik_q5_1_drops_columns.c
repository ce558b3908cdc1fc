/* ik_llama.cpp's products of Q4_1 and Q5_1 weights leave out the columns behind the last multiple of 128 for 32 tokens or more: weights are unpacked to
 * 8 rows of Q8_1, whose product (mul_mat_q8_1_r8_q8_2) has no code for what is left behind groups of four blocks.
 *   cc -O1 ik_q5_1_drops_columns.c -ldl && ./a.out LIBGGML.SO
 * 960 weights of 1 times 960 activations of 1, 31 tokens: 959.941
 * 960 weights of 1 times 960 activations of 1, 32 tokens: 895.945 */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { type_f32 = 0, type_q5_1 = 7, rows = 64, cols = 960 };
struct init {
  size_t size;
  void* memory;
  bool no_alloc;
};
static float ones[rows * cols];

int main(int argc, char** argv) {
  void* ggml = argc == 2 ? dlopen(argv[1], RTLD_NOW) : NULL;
  if (ggml == NULL) {
    fprintf(stderr, "%s\n", argc == 2 ? dlerror() : "name a libggml.so of ik_llama.cpp");
    return 2;
  }
  void* context = ((void* (*)(struct init))dlsym(ggml, "ggml_init"))((struct init){1 << 26, NULL, false});
  void* (*new_matrix)(void*, int, int64_t, int64_t) = dlsym(ggml, "ggml_new_tensor_2d");
  void* (*mul_mat)(void*, void*, void*) = dlsym(ggml, "ggml_mul_mat");
  void* (*new_graph)(void*) = dlsym(ggml, "ggml_new_graph");
  void (*expand)(void*, void*) = dlsym(ggml, "ggml_build_forward_expand");
  int (*compute)(void*, void*, int) = dlsym(ggml, "ggml_graph_compute_with_ctx");
  void* (*data)(void*) = dlsym(ggml, "ggml_get_data");
  size_t (*quantize)(int, const float*, void*, int64_t, int64_t, int64_t, const float*) =
      dlsym(ggml, "ggml_quantize_chunk");
  for (int i = 0; i < rows * cols; ++i) ones[i] = 1;
  for (int tokens = 31; tokens <= 32; ++tokens) {
    void *w = new_matrix(context, type_q5_1, cols, rows), *x = new_matrix(context, type_f32, cols, tokens);
    quantize(type_q5_1, ones, data(w), 0, rows, cols, NULL);
    for (int i = 0; i < tokens * cols; ++i) ((float*)data(x))[i] = 1;
    void *y = mul_mat(context, w, x), *graph = new_graph(context);
    expand(graph, y);
    compute(context, graph, 1);
    printf("%d weights of 1 times %d activations of 1, %d tokens: %g\n", cols, cols, tokens, *(float*)data(y));
  }
  return 0;
}
