// Prints which instruction-set extensions this CPU executes: one instruction of each, whatever CPUID says. ci/matrix.py
// holds it against what the CPU must have: proof that an emulator refuses what its model lacks. LZCNT, TZCNT and MOVBE
// are no use here: older CPUs run their bytes as other instructions.
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>

static sigjmp_buf back;

static void on_trap(int number) {
  (void)number;
  siglongjmp(back, 1);
}

// Register operands only: no memory, no result that matters.
#define EXTENSIONS(X)                                          \
  X(sse2, "paddq %%xmm1, %%xmm0")                              \
  X(sse3, "haddps %%xmm1, %%xmm0")                             \
  X(ssse3, "pabsd %%xmm1, %%xmm0")                             \
  X(sse4_1, "pmulld %%xmm1, %%xmm0")                           \
  X(sse4_2, "pcmpgtq %%xmm1, %%xmm0")                          \
  X(popcnt, "popcnt %%ecx, %%eax")                             \
  X(avx, "vaddps %%ymm1, %%ymm2, %%ymm0")                      \
  X(avx2, "vpaddd %%ymm1, %%ymm2, %%ymm0")                     \
  X(fma, "vfmadd231ps %%ymm1, %%ymm2, %%ymm0")                 \
  X(f16c, "vcvtph2ps %%xmm1, %%ymm0")                          \
  X(bmi1, "andn %%ecx, %%ecx, %%eax")                          \
  X(bmi2, "pext %%ecx, %%ecx, %%eax")                          \
  X(avx512f, "vaddps %%zmm1, %%zmm2, %%zmm0")                  \
  X(avx512bw, "vpaddb %%zmm1, %%zmm2, %%zmm0")                 \
  X(avx512cd, "vplzcntd %%zmm1, %%zmm0")                       \
  X(avx512dq, "vpmullq %%zmm1, %%zmm2, %%zmm0")                \
  X(avx512vl, "vpternlogd $0, %%ymm1, %%ymm2, %%ymm0")         \
  X(avx512_ifma, "vpmadd52luq %%zmm1, %%zmm2, %%zmm0")         \
  X(avx512_vbmi, "vpermb %%zmm1, %%zmm2, %%zmm0")              \
  X(avx512_vbmi2, "vpshldd $1, %%zmm1, %%zmm2, %%zmm0")        \
  X(avx512_vnni, "vpdpbusd %%zmm1, %%zmm2, %%zmm0")            \
  X(avx512_bitalg, "vpopcntb %%zmm1, %%zmm0")                  \
  X(avx512_vpopcntdq, "vpopcntd %%zmm1, %%zmm0")               \
  X(avx512_vp2intersect, "vp2intersectd %%zmm1, %%zmm2, %%k1") \
  X(avx512_bf16, "vdpbf16ps %%zmm1, %%zmm2, %%zmm0")           \
  X(avx_vnni, "%{vex%} vpdpbusd %%ymm1, %%ymm2, %%ymm0")       \
  X(gfni, "gf2p8mulb %%xmm1, %%xmm0")                          \
  X(vaes, "vaesenc %%ymm1, %%ymm2, %%ymm0")

#define FUNCTION(name, text) \
  static void probe_##name(void) { __asm__ volatile(text ::: "eax", "ecx", "xmm0", "xmm1", "xmm2"); }
EXTENSIONS(FUNCTION)

#define ENTRY(name, text) {#name, probe_##name},
static const struct {
  const char* name;
  void (*run)(void);
} probes[] = {EXTENSIONS(ENTRY)};

int main(void) {
  signal(SIGILL, on_trap);
  for (size_t i = 0; i < sizeof probes / sizeof *probes; ++i) {
    const int trapped = sigsetjmp(back, 1);
    if (trapped == 0) {
      probes[i].run();
    }
    printf("%s %s\n", probes[i].name, trapped == 0 ? "runs" : "traps");
  }
  return 0;
}
