/* A plug-in that its argument makes go wrong in one way: harness/cli/plugin_test.cpp. The constructor goes by the environment. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xmmintrin.h>

#include "assay/plugin.h"

static void add(float* z, const float* x, const float* y, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    z[i] = x[i] + y[i];
  }
}

/* Executes an instruction of AVX. */
static void add_with_avx(float* z, const float* x, const float* y, size_t n) {
  add(z, x, y, n);
  __asm__ volatile("vzeroupper"
                   :
                   :
                   : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
                     "xmm12", "xmm13", "xmm14", "xmm15");
}

static void crashes(float* z, const float* x, const float* y, size_t n) {
  add(z, x, y, n);
  *(volatile int*)0 = 0;
}

static void ends(float* z, const float* x, const float* y, size_t n) {
  add(z, x, y, n);
  _exit(0);
}

static void sleeps(float* z, const float* x, const float* y, size_t n) {
  add(z, x, y, n);
  pause();
}

static void allocates(float* z, const float* x, const float* y, size_t n) {
  float* sums = malloc((n + 1) * sizeof(float));
  add(sums, x, y, n);
  memcpy(z, sums, n * sizeof(float));
  free(sums);
}

static void* nothing_to_do(void* nothing) { return nothing; }

static void forks(float* z, const float* x, const float* y, size_t n) {
  add(z, x, y, n);
  const pid_t child = fork(); /* which goes on where this one does */
  if (child > 0) {
    waitpid(child, NULL, 0);
  }
}

static void opens(float* z, const float* x, const float* y, size_t n) {
  add(z, x, y, n);
  close(open("/dev/null", O_RDONLY));
}

static void handler(int signal) { (void)signal; }

static void sets_a_handler(float* z, const float* x, const float* y, size_t n) {
  add(z, x, y, n);
  signal(SIGUSR1, handler);
}

static void sleeps_shortly(float* z, const float* x, const float* y, size_t n) {
  add(z, x, y, n);
  usleep(1);
}

/* getpid of 32-bit programs, by their own gate. */
static void asks_as_of_old(float* z, const float* x, const float* y, size_t n) {
  add(z, x, y, n);
  long number = 20;
  __asm__ volatile("int $0x80" : "+a"(number) : : "r8", "r9", "r10", "r11", "memory");
}

static void starts_a_thread(float* z, const float* x, const float* y, size_t n) {
  add(z, x, y, n);
  pthread_t thread;
  if (pthread_create(&thread, NULL, nothing_to_do, NULL) == 0) {
    pthread_join(thread, NULL);
  }
}

/* These two hold locks of the C library meanwhile. */
static void prints(float* z, const float* x, const float* y, size_t n) {
  add(z, x, y, n);
  printf("%zu elements\n", n);
}

static void sets_the_environment(float* z, const float* x, const float* y, size_t n) {
  add(z, x, y, n);
  char value[32];
  snprintf(value, sizeof value, "%zu", n);
  setenv("ASSAY_HOSTILE_N", value, 1);
}

/* Ends the process when it has been called more often than a check does. */
static void ends_late(float* z, const float* x, const float* y, size_t n) {
  static _Atomic int calls;
  add(z, x, y, n);
  if (++calls > 5000) {
    _exit(0);
  }
}

static void* end_soon(void* nothing) {
  usleep(300000);
  _exit(0);
  return nothing;
}

static void* sleep_for_good(void* nothing) {
  for (;;) {
    pause();
  }
  return nothing;
}

static const char* not_here(void) { return "this library wants a Tuesday"; }

__attribute__((constructor)) static void construct(void) {
  const char* way = getenv("ASSAY_HOSTILE");
  if (way == NULL) {
    return;
  }
  if (strcmp(way, "crash") == 0) {
    raise(SIGSEGV);
  } else if (strcmp(way, "exit") == 0) {
    exit(0);
  } else if (strcmp(way, "flush") == 0) {
    _mm_setcsr(_mm_getcsr() | 0x8040);
  }
}

__attribute__((destructor)) static void destruct(void) {
  const char* way = getenv("ASSAY_HOSTILE");
  if (way != NULL && strcmp(way, "destructor") == 0) {
    raise(SIGSEGV);
  }
}

static struct assay_variant variants[2];
static struct assay_plugin plugin;

const struct assay_plugin* assay_plugin_v1(const char* argument) {
  for (int i = 0; i < 2; ++i) {
    const struct assay_variant one = ASSAY_VARIANT("add_f32", "plain", 1, NULL, add);
    variants[i] = one;
  }
  const struct assay_plugin all = {assay_plugin_abi, sizeof all, "hostile", "1", "MIT", variants, 1, NULL};
  plugin = all;
  const char* const is = argument;
#define WAY(name) else if (strcmp(is, name) == 0)
  if (*is == '\0') {
  }
  WAY("null") { return NULL; }
  WAY("abi") { plugin.abi = 2; }
  WAY("size") { plugin.size = 8; }
  WAY("none") { plugin.count = 0; }
  WAY("count") { plugin.count = (size_t)-1; }
  WAY("no-table") { plugin.variants = NULL; }
  WAY("garbage") { plugin.variants = (const struct assay_variant*)8; }
  WAY("garbage-name") { plugin.name = (const char*)8; }
  WAY("no-name") { plugin.name = NULL; }
  WAY("name") { plugin.name = "two words"; }
  WAY("long-name") {
    static char name[100000];
    memset(name, 'x', sizeof name - 1);
    plugin.name = name;
  }
  WAY("escape") { plugin.version = "1\033[2J"; }
  WAY("label") { variants[0].label = "a/b"; }
  WAY("no-label") { variants[0].label = NULL; }
  WAY("duplicate") { plugin.count = 2; }
  WAY("kernel") { variants[0].kernel = "add_f65"; }
  WAY("contract") { variants[0].contract = 77; }
  WAY("features") { variants[0].features = "avx9"; }
  WAY("pack") { variants[0].pack = (assay_any_fn)add; }
  WAY("no-pack") {
    variants[0].kernel = "matmul_q4_0";
    variants[0].contract = 2;
  }
  WAY("no-run") { variants[0].run = NULL; }
  WAY("flags") { variants[0].flags = 0x80; }
  WAY("file") {
    static const char* const files[] = {"/no/such/file", NULL};
    plugin.files = files;
  }
  WAY("claim") { variants[0].claim = "{\"bound_factor\": {\"value\": 2}}"; }
  WAY("claim-json") { variants[0].claim = "{bound_factor: 2}"; }
  WAY("claim-unknown") { variants[0].claim = "{\"writes\": {\"value\": 2, \"because\": \"so\"}}"; }
  WAY("claim-dim") { variants[0].claim = "{\"multiple_of\": {\"value\": {\"m\": 2}, \"because\": \"so\"}}"; }
  WAY("claim-class") { variants[0].claim = "{\"exclude\": {\"value\": [\"normal\"], \"because\": \"so\"}}"; }
  WAY("claim-sizes") {
    variants[0].claim =
        "{\"multiple_of\": {\"value\": {\"n\": 32}, \"because\": \"so\"}, \"most\": {\"value\": {\"n\": 8}, "
        "\"because\": \"so\"}}";
  }
  WAY("claim-twice") {
    variants[0].claim =
        "{\"align\": {\"value\": 16, \"because\": \"so\"}, \"align\": {\"value\": 64, \"because\": \"so\"}}";
  }
  WAY("crash") { raise(SIGSEGV); }
  WAY("abort") { abort(); }
  WAY("hang") { pause(); }
  WAY("exit") { exit(0); }
  WAY("heap") {
    char* volatile p = malloc(24); /* or the compiler would take it away */
    memset(p - 16, 0xff, 40);
    free(p);
  }
  WAY("memory") {
    for (;;) {
      char* p = malloc((size_t)1 << 32);
      if (p == NULL) {
        abort();
      }
    }
  }
  WAY("stdout") { printf("greetings from a library\n"); }
  WAY("folder") {
    if (chdir("/") != 0) {
      return NULL;
    }
  }
  WAY("descriptors") {
    for (int i = 3; i < 100; ++i) {
      close(i);
    }
  }
  WAY("thread") {
    pthread_t thread;
    pthread_create(&thread, NULL, sleep_for_good, NULL);
  }
  WAY("signal") {
    signal(SIGSEGV, handler);
    signal(SIGTRAP, SIG_IGN);
  }
  WAY("mask") {
    sigset_t all_signals;
    sigfillset(&all_signals);
    sigprocmask(SIG_BLOCK, &all_signals, NULL);
  }
  WAY("flush") { _mm_setcsr(_mm_getcsr() | 0x8040); }
  WAY("round") { fesetround(FE_UPWARD); }
  WAY("prepare") { variants[0].prepare = not_here; }
  WAY("avx") { variants[0].run = (assay_any_fn)add_with_avx; }
  WAY("run-crash") { variants[0].run = (assay_any_fn)crashes; }
  WAY("run-exit") { variants[0].run = (assay_any_fn)ends; }
  WAY("run-sleep") { variants[0].run = (assay_any_fn)sleeps; }
  WAY("run-allocates") { variants[0].run = (assay_any_fn)allocates; }
  WAY("run-forks") { variants[0].run = (assay_any_fn)forks; }
  WAY("run-opens") { variants[0].run = (assay_any_fn)opens; }
  WAY("run-signal") { variants[0].run = (assay_any_fn)sets_a_handler; }
  WAY("run-usleep") { variants[0].run = (assay_any_fn)sleeps_shortly; }
  WAY("run-int80") { variants[0].run = (assay_any_fn)asks_as_of_old; }
  WAY("run-thread") { variants[0].run = (assay_any_fn)starts_a_thread; }
  WAY("run-prints") { variants[0].run = (assay_any_fn)prints; }
  WAY("run-setenv") { variants[0].run = (assay_any_fn)sets_the_environment; }
  WAY("run-claims") {
    variants[0].run = (assay_any_fn)opens;
    variants[0].claim = "{\"reentrant\": {\"value\": false, \"because\": \"it opens a file\"}}";
  }
  WAY("run-exit-late") {
    variants[0].run = (assay_any_fn)ends_late;
    variants[0].claim = "{\"reentrant\": {\"value\": false, \"because\": \"it counts\"}}";
  }
  WAY("thread-exit") {
    pthread_t thread;
    pthread_create(&thread, NULL, end_soon, NULL);
  }
  WAY("amx") { variants[0].features = "amx_int8"; }
  else {
    fprintf(stderr, "hostile: no way %s\n", is);
    return NULL;
  }
  return &plugin;
}
