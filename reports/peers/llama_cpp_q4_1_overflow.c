/* llama.cpp's product of Q4_1 weights and finite activations is Inf or NaN where a block of 32 activations adds up to over 65,504: block_q8_1 keeps that sum as fp16.
 *   cc -O1 llama_cpp_q4_1_overflow.c -ldl && ./a.out FOLDER haswell        FOLDER has libggml-base.so and libggml-cpu-haswell.so
 * 32 weights of 1 times 32 activations of 2500: got inf, 80000 is right */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>

struct traits {
  void (*from_float)(const float* x, void* y, int64_t k);
  void (*vec_dot)(int n, float* s, size_t bs, const void* x, size_t bx, const void* y, size_t by, int nrc);
  int vec_dot_type;
  int64_t nrows;
};

int main(int argc, char** argv) {
  if (argc != 3) {
    return 2;
  }
  char path[4096];
  snprintf(path, sizeof path, "%s/libggml-base.so", argv[1]);
  void* base = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
  snprintf(path, sizeof path, "%s/libggml-cpu-%s.so", argv[1], argv[2]);
  void* cpu = dlopen(path, RTLD_NOW);
  if (base == NULL || cpu == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 2;
  }
  ((void (*)(void))dlsym(cpu, "ggml_cpu_init"))();
  const struct traits* (*traits_of)(int) = (const struct traits* (*)(int))dlsym(cpu, "ggml_get_type_traits_cpu");
  const struct traits *q4_1 = traits_of(3), *q8_1 = traits_of(9);
  /* One block of Q4_1: d = 0, m = 1 (fp16 0x3c00), codes 0: 32 weights of 1. */
  const uint8_t w[20] = {0, 0, 0, 0x3c};
  float x[32];
  for (int i = 0; i < 32; ++i) {
    x[i] = 2500;
  }
  uint8_t blocks[36];
  q8_1->from_float(x, blocks, 32);
  float y = 0;
  q4_1->vec_dot(32, &y, 0, w, 0, blocks, 0, 1);
  printf("32 weights of 1 times 32 activations of 2500: got %g, 80000 is right\n", y);
  return 0;
}
