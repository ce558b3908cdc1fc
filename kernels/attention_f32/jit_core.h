#pragma once
#include <stddef.h>
#include <string.h>
#include <xbyak/xbyak.h>

#include <vector>

#include "kernels/attention_f32/kernel.h"
#include "kernels/shared/jit_exp.h"

// What the stages of the generators share. All is local to the file that includes it.
namespace {

// Code for one d and vectors of 8 or 16 lanes. Throughout: rdi = args, r8 = row of q, r10 = scratch, r12 = row of out,
// r13 = rows left, rbx = m, the visible keys; register 15 is the mask of AVX2, k1 that of AVX-512 for a tail of m, k2
// for the tail of d.
class Core : public Xbyak::CodeGenerator {
 protected:
  Core(void* code, size_t capacity, size_t d, int lanes)
      : CodeGenerator(capacity, code),
        lanes_(lanes),
        bytes_(4 * lanes),
        step_(lanes == 8 ? 32 : 4),
        d_(d),
        vectors_(d / static_cast<size_t>(lanes)),
        rest_(d % static_cast<size_t>(lanes)) {
    for (int k = 0; k < kExpConstants; ++k) {
      registers_.push_back(vec(16 + k));
      addresses_.push_back(constant(k));
    }
  }

  static constexpr int kKeys =
      16;  // keys summed before they are added to out: running sums would grow the error with m

  Xbyak::Xmm vec(int i) const {
    return lanes_ == 16 ? static_cast<Xbyak::Xmm>(Xbyak::Zmm(i)) : static_cast<Xbyak::Xmm>(Xbyak::Ymm(i));
  }

  Xbyak::Address arg(size_t offset) { return ptr[rdi + static_cast<int>(offset)]; }
  Xbyak::Address constant(int k) { return ptr[rip + table_ + k * step_]; }

  const Xbyak::Operand& operand(int k) const {
    return lanes_ == 16 ? static_cast<const Xbyak::Operand&>(registers_[k]) : addresses_[k];
  }

  void load_constants() {
    if (lanes_ == 16) {
      for (int k = kFloor; k <= kOne; ++k) {
        vbroadcastss(vec(16 + k), constant(k));
      }
      vmovups(ymm28, ptr[rip + order_]);
      if (rest_ != 0) {
        mov(eax, (1u << rest_) - 1);
        kmovw(k2, eax);
      }
    }
  }

  void write_constants() {
    align(32);
    L(table_);
    for (float value : kExpValues) {
      uint32_t bits;
      memcpy(&bits, &value, 4);
      for (int i = 0; i < step_; i += 4) {
        dd(bits);
      }
    }
    if (lanes_ == 16) {
      align(32);
      L(order_);  // where the sums of 8 keys lie, in reduce()
      for (uint32_t i : {0u, 4u, 8u, 12u, 1u, 5u, 9u, 13u}) {
        dd(i);
      }
    } else {
      L(masks_);  // the mask of n is the window that begins 8 - n elements in
      for (int i = 0; i < 16; ++i) {
        dd(i < 8 ? 0xffffffffu : 0u);
      }
      L(lanes_of_tile_);
      for (uint32_t i = 0; i < 16; ++i) {
        dd(i);
      }
    }
  }

  // Of AVX2: the numbers of the lanes of vector v of a tile.
  Xbyak::Address lanes_of_tile(int v) { return ptr[rip + lanes_of_tile_ + v * bytes_]; }

  void zero(int v) { vxorps(Xbyak::Xmm(v), Xbyak::Xmm(v), Xbyak::Xmm(v)); }

  // Mask of the low `count` lanes, count in [1, lanes_) in rcx, to register 15 or k1. Spoils rax,
  // rcx.
  void mask_of_rcx() {
    if (lanes_ == 16) {
      mov(eax, -1);
      bzhi(eax, eax, ecx);
      kmovw(k1, eax);
    } else {
      lea(rax, ptr[rip + masks_]);
      neg(rcx);
      vmovups(ymm15, ptr[rax + rcx * 4 + 32]);
    }
  }

  void mask_of_d() {
    if (lanes_ == 8 && rest_ != 0) {
      vmovups(ymm15, ptr[rip + masks_ + static_cast<int>(32 - 4 * rest_)]);
    }
  }

  // rdx, rsi and rbp = 3, 5 and 7 times the stride r14.
  void multiples_of_stride() {
    lea(rdx, ptr[r14 + r14 * 2]);
    lea(rsi, ptr[r14 + r14 * 4]);
    lea(rbp, ptr[rdx + r14 * 4]);
  }

  // Then row j of 8 is base + j * stride.
  Xbyak::RegExp key_row(const Xbyak::Reg64& base, int j) {
    switch (j) {
      case 0:
        return base + 0;
      case 1:
        return base + r14;
      case 2:
        return base + r14 * 2;
      case 3:
        return base + rdx;
      case 4:
        return base + r14 * 4;
      case 5:
        return base + rsi;
      case 6:
        return base + rdx * 2;
      default:
        return base + rbp;
    }
  }

  // Register 6 := 2^64 * e^(register 6), in 7 to 9. 2^64 keeps every result normal: the last
  // product, by 2^-64 over the sum, is the one that may be subnormal.
  void exponential() {
    const Xbyak::Xmm z = vec(6);
    const Xbyak::Xmm a = vec(7);
    const Xbyak::Xmm b = vec(8);
    const Xbyak::Xmm c = vec(9);
    vmaxps(z, vec(lanes_ == 16 ? 16 + kFloor : 14), z);  // in this order a NaN in z stays
    vmovaps(a, operand(kShift));
    vfmadd231ps(a, z, operand(kLog2e));
    vsubps(b, a, operand(kShift));
    vpslld(a, a, 23);
    vfnmadd231ps(z, b, operand(kLn2High));
    vfnmadd231ps(z, b, operand(kLn2Low));
    vmovaps(b, operand(kP4));
    vfmadd213ps(b, z, operand(kP3));
    vfmadd213ps(b, z, operand(kP2));
    vfmadd213ps(b, z, operand(kP1));
    vfmadd213ps(b, z, operand(kP0));
    vmulps(c, z, z);
    vfmadd213ps(b, c, z);
    vaddps(b, b, operand(kOne));
    vmulps(z, b, a);
  }

  const int lanes_;
  const int bytes_;  // of a vector
  const int step_;   // of the table: AVX2 has no operand that broadcasts
  const size_t d_;
  const size_t vectors_;
  const size_t rest_;

 private:
  std::vector<Xbyak::Xmm> registers_;
  std::vector<Xbyak::Address> addresses_;
  Xbyak::Label table_;
  Xbyak::Label order_;
  Xbyak::Label masks_;
  Xbyak::Label lanes_of_tile_;
};

}  // namespace
