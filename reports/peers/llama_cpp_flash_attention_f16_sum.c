/* llama.cpp's flash attention adds up the values of a cache of fp16 in fp16 where a query is alone, as each generated token is. Where many
 * keys weigh alike, the sum stands still at 2048 times a value, and over 65504 it is Inf.
 *   cc -O1 llama_cpp_flash_attention_f16_sum.c -ldl && ./a.out FOLDER haswell        FOLDER has libggml-base.so and libggml-cpu-haswell.so
 * 4096 keys of one score, values of 1, 1 thread: got 0.5, 1 is right
 * 4096 keys of one score, values of 1, 2 threads: got 1, 1 is right
 * 8192 keys of one score, values of 1, 1 thread: got 0.25, 1 is right
 * 1000 keys of one score, values of 100, 1 thread: got inf, 100 is right */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { f32 = 0, f16 = 1, head = 64, precision_f32 = 10 };
struct init_params {
  size_t mem_size;
  void* mem_buffer;
  _Bool no_alloc;
};
static void *base, *cpu;

/* One query of zeros, so that all scores are 0. */
static float attend(int keys, float value, int threads) {
  const struct init_params params = {(size_t)16 << 20, NULL, 0};
  void* context = ((void* (*)(struct init_params))dlsym(base, "ggml_init"))(params);
  void* (*tensor)(void*, int, int64_t, int64_t, int64_t) =
      (void* (*)(void*, int, int64_t, int64_t, int64_t))dlsym(base, "ggml_new_tensor_3d");
  void* (*data)(void*) = (void* (*)(void*))dlsym(base, "ggml_get_data");
  void *q = tensor(context, f32, head, 1, 1), *k = tensor(context, f16, head, keys, 1),
       *v = tensor(context, f16, head, keys, 1);
  const uint16_t half = ((uint16_t(*)(float))dlsym(base, "ggml_fp32_to_fp16"))(value);
  memset(data(q), 0, head * sizeof(float));
  memset(data(k), 0, (size_t)head * keys * sizeof half);
  for (int i = 0; i < head * keys; ++i) {
    ((uint16_t*)data(v))[i] = half;
  }
  void* out = ((void* (*)(void*, void*, void*, void*, void*, float, float, float))dlsym(base, "ggml_flash_attn_ext"))(
      context, q, k, v, NULL, 0.125f, 0, 0);
  ((void (*)(void*, int))dlsym(base, "ggml_flash_attn_ext_set_prec"))(out, precision_f32);
  void* graph = ((void* (*)(void*))dlsym(base, "ggml_new_graph"))(context);
  ((void (*)(void*, void*))dlsym(base, "ggml_build_forward_expand"))(graph, out);
  void* backend = ((void* (*)(void))dlsym(cpu, "ggml_backend_cpu_init"))();
  ((void (*)(void*, int))dlsym(cpu, "ggml_backend_cpu_set_n_threads"))(backend, threads);
  ((int (*)(void*, void*))dlsym(base, "ggml_backend_graph_compute"))(backend, graph);
  return *(float*)data(out);
}

int main(int argc, char** argv) {
  if (argc != 3) {
    return 2;
  }
  char path[4096];
  snprintf(path, sizeof path, "%s/libggml-base.so", argv[1]);
  base = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
  snprintf(path, sizeof path, "%s/libggml-cpu-%s.so", argv[1], argv[2]);
  cpu = dlopen(path, RTLD_NOW);
  if (base == NULL || cpu == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 2;
  }
  const struct {
    int keys;
    float value;
    int threads;
  } cases[] = {{4096, 1, 1}, {4096, 1, 2}, {8192, 1, 1}, {1000, 100, 1}};
  for (int i = 0; i < 4; ++i) {
    printf("%d keys of one score, values of %g, %d thread%s: got %g, %g is right\n", cases[i].keys, cases[i].value,
           cases[i].threads, cases[i].threads == 1 ? "" : "s", attend(cases[i].keys, cases[i].value, cases[i].threads),
           cases[i].value);
  }
  return 0;
}
