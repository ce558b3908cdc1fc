// The generator of the dequantize family. How many weights or blocks there are is a constant, and a loop at run time.
#pragma once
#include "kernels/shared/format.h"
#include "kernels/dequantize/integers.h"
#include "kernels/dequantize/kernel.h"
#include "kernels/shared/jit.h"

namespace {

// Arguments: rdi = y, rsi = x; n is not read.
template <class Vec>
class DequantizeGenerator : public VectorGenerator {
 public:
#ifdef FORMAT_OF_FLOATS
  DequantizeGenerator(void* code, size_t capacity, size_t n) : VectorGenerator(code, capacity, n % Vec::kLanes) {
    const size_t vectors = n / Vec::kLanes;
    repeat(vectors / kUnroll, [&] {
      for (int j = 0; j < kUnroll; ++j) {
        whole_vector(j);
      }
      add(rsi, kUnroll * Vec::kLanes * kBytes);
      add(rdi, kUnroll * Vec::kBytes);
    });
    const int left = static_cast<int>(vectors % kUnroll);
    for (int j = 0; j < left; ++j) {
      whole_vector(j);
    }
    if (rest_ != 0) {
      last_vector(left);
    }
    vzeroupper();
    ret();
    write_mask<Vec>();
  }

 private:
  static constexpr int kUnroll = 4;

  Xbyak::Address weights(int vector) { return ptr[rsi + vector * Vec::kLanes * kBytes]; }
  Xbyak::Address floats(int vector) { return ptr[rdi + vector * Vec::kBytes]; }

  void whole_vector(int j) {
    widen(Vec(j), weights(j));
    vmovups(floats(j), Vec(j));
  }

  template <class To>
  void widen(const To& to, const Xbyak::Operand& from) {
#if defined LAYOUT_f32
    vmovups(to, from);
#elif defined LAYOUT_f16
    vcvtph2ps(to, from);
#else
    vpmovzxwd(to, from);
    vpslld(to, to, 16);
#endif
  }

  void last_vector(int j) {
    if constexpr (Vec::kWide || kBytes == 4) {
      load_mask(Vec(15));
      if (kBytes == 4) {
        load(Vec(0), weights(j), true);
      } else {
        vmovdqu16(ymm0 | k1 | T_z, weights(j));
        widen(Vec(0), ymm0);
      }
      store(floats(j), Vec(0), true);
      return;
    }
    // AVX2 has no masks for words.
    for (int i = 0; i < static_cast<int>(rest_); ++i) {
      movzx(eax, word[rsi + (j * Vec::kLanes + i) * kBytes]);
      vmovd(xmm0, eax);
      widen(xmm0, xmm0);
      vmovss(ptr[rdi + j * Vec::kBytes + 4 * i], xmm0);
    }
  }
#else
  DequantizeGenerator(void* code, size_t capacity, size_t n) : VectorGenerator(code, capacity, 0) {
    const weight_format& format = DESCRIPTION(FORMAT);
    if (n == 0) {
      ret();
      return;
    }
    //   rbx y   rbp block   r12 blocks left   rsp the block, taken apart
    push(rbx);
    push(rbp);
    push(r12);
    sub(rsp, kFrame);
    mov(rbx, rdi);
    mov(rbp, rsi);
    mov(r12, n / format.elements);
    Xbyak::Label loop;
    L(loop);
    mov(rdi, rsp);
    mov(rsi, rbp);
    mov(rax, reinterpret_cast<size_t>(&dequantize_integers));
    call(rax);
    for (size_t g = 0; g < format.elements / format.group; ++g) {
      group(static_cast<int>(g), static_cast<int>(format.group), format.m_at != NOWHERE);
    }
    vzeroupper();  // before the next call too: it is code for SSE
    add(rbx, static_cast<int>(4 * format.elements));
    add(rbp, static_cast<int>(format.bytes));
    dec(r12);
    jnz(loop, T_NEAR);
    add(rsp, kFrame);
    pop(r12);
    pop(rbp);
    pop(rbx);
    ret();
  }

 private:
  // Aligned for the call, with three registers and the return address.
  static constexpr int kFrame = (sizeof(dequantize_block) + 15) / 16 * 16;

  void group(int g, int weights, bool has_offset) {
    const Vec scale(1);
    const Vec offset(2);
    const auto at = [](size_t member) { return static_cast<int>(member); };
    vbroadcastss(scale, ptr[rsp + at(offsetof(dequantize_block, scales)) + 4 * g]);
    if (has_offset) {
      vbroadcastss(offset, ptr[rsp + at(offsetof(dequantize_block, offsets)) + 4 * g]);
    }
    for (int i = g * weights; i < (g + 1) * weights; i += Vec::kLanes) {
      vpmovsxwd(Vec(0), ptr[rsp + at(offsetof(dequantize_block, values)) + 2 * i]);
      vcvtdq2ps(Vec(0), Vec(0));
      if (has_offset) {
        vfmadd213ps(Vec(0), scale, offset);
      } else {
        vmulps(Vec(0), Vec(0), scale);
      }
      vmovups(ptr[rbx + 4 * i], Vec(0));
    }
  }
#endif
};

}  // namespace
