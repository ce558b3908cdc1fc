// defect: the mask of the tail has one bit too few
// class: masks
// stands for: mask off by one
// caught by: value
#include <xbyak/xbyak.h>

#include "kernels/rms_norm_f32/kernel.h"

extern "C" rms_norm_f32_gen rms_norm_f32_jit_avx512_mask_one_short;

namespace {

// rdi = y, rsi = x, rdx = w, xmm0 = eps; each element is a whole vector or, at the end, a masked one.
struct Generator : Xbyak::CodeGenerator {
  Generator(void* code, size_t capacity, size_t n) : CodeGenerator(capacity, code) {
    Xbyak::Label squares, result, count;
    const uint32_t whole = static_cast<uint32_t>(n / 16 * 16);
    const size_t rest = n % 16;
    if (n == 0) {
      ret();
      return;
    }
    mov(eax, rest != 0 ? (1u << (rest - 1)) - 1 : 0u);
    kmovw(k1, eax);
    vxorps(xmm1, xmm1, xmm1);
    xor_(eax, eax);
    if (whole != 0) {
      L(squares);
      vmovups(zmm3, ptr[rsi + 4 * rax]);
      vfmadd231ps(zmm1, zmm3, zmm3);
      add(rax, 16);
      cmp(rax, whole);
      jb(squares, T_NEAR);
    }
    vmovups(zmm3 | k1 | T_z, ptr[rsi + 4 * rax]);
    vfmadd231ps(zmm1, zmm3, zmm3);
    vextractf64x4(ymm2, zmm1, 1);
    vaddps(ymm1, ymm1, ymm2);
    vextractf128(xmm2, ymm1, 1);
    vaddps(xmm1, xmm1, xmm2);
    vmovhlps(xmm2, xmm1, xmm1);
    vaddps(xmm1, xmm1, xmm2);
    vmovshdup(xmm2, xmm1);
    vaddss(xmm1, xmm1, xmm2);
    vdivss(xmm1, xmm1, ptr[rip + count]);
    vaddss(xmm1, xmm1, xmm0);
    vsqrtss(xmm1, xmm1, xmm1);
    vbroadcastss(zmm1, xmm1);
    xor_(eax, eax);
    if (whole != 0) {
      L(result);
      vmovups(zmm2, ptr[rsi + 4 * rax]);
      vdivps(zmm2, zmm2, zmm1);
      vmulps(zmm2, zmm2, ptr[rdx + 4 * rax]);
      vmovups(ptr[rdi + 4 * rax], zmm2);
      add(rax, 16);
      cmp(rax, whole);
      jb(result, T_NEAR);
    }
    vmovups(zmm2 | k1 | T_z, ptr[rsi + 4 * rax]);
    vdivps(zmm2, zmm2, zmm1);
    vmovups(zmm3 | k1 | T_z, ptr[rdx + 4 * rax]);
    vmulps(zmm2, zmm2, zmm3);
    vmovups(ptr[rdi + 4 * rax] | k1, zmm2);
    vzeroupper();
    ret();
    align(4);
    L(count);
    const float value = static_cast<float>(n);
    uint32_t bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    dd(bits);
  }
};

}  // namespace

extern "C" size_t rms_norm_f32_jit_avx512_mask_one_short(void* code, size_t capacity, const size_t* key) {
  try {
    return Generator(code, capacity, key[0]).getSize();
  } catch (const Xbyak::Error&) {
    return 0;
  }
}
