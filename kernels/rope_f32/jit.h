#pragma once
#include "kernels/rope_f32/kernel.h"
#include "kernels/shared/jit.h"

namespace {

// Code for one d and one number of rotated elements; both kinds of pairs, of which the arguments say which. The method is that of
// rope.h, the names at the right are those of its variables.
template <class Vec>
class Generator : public VectorGenerator {
 public:
  Generator(void* code, size_t capacity, size_t d, size_t rotated)
      : VectorGenerator(code, capacity, 0), half_(rotated / 2), rotated_(rotated), d_(d) {
    Xbyak::Label token, no_token, done;
    push(rbx);
    push(rbp);
    mov(tokens_, ptr[rdi + offsetof(rope_f32_args, tokens)]);
    mov(position_, ptr[rdi + offsetof(rope_f32_args, positions)]);
    mov(row_x_, ptr[rdi + offsetof(rope_f32_args, x)]);
    mov(row_y_, ptr[rdi + offsetof(rope_f32_args, y)]);
    test(tokens_, tokens_);
    jz(done, T_NEAR);
    L(token);
    Xbyak::Label halves, next;
    mov(eax, ptr[position_]);
    vcvtsi2sd(xmm15, xmm15, rax);
    vbroadcastsd(Vec(15), xmm15);
    vmovss(xmm14, ptr[rdi + offsetof(rope_f32_args, scale)]);
    vcvtss2sd(xmm14, xmm14, xmm14);
    vbroadcastsd(Vec(14), xmm14);
    cmp(dword[rdi + offsetof(rope_f32_args, halves)], 0);
    jne(halves, T_NEAR);
    write_token(false);
    jmp(next, T_NEAR);
    L(halves);
    write_token(true);
    L(next);
    mov(rax, ptr[rdi + offsetof(rope_f32_args, ldx)]);
    lea(row_x_, ptr[row_x_ + rax * 4]);
    mov(rax, ptr[rdi + offsetof(rope_f32_args, ldy)]);
    lea(row_y_, ptr[row_y_ + rax * 4]);
    add(position_, 4);
    dec(tokens_);
    jnz(token, T_NEAR);
    L(done);
    pop(rbp);
    pop(rbx);
    vzeroupper();
    ret();
    write_constants();
  }

 private:
  enum Constant { kMagic, kTwoOverPi, kPiHigh, kPiLow, kS4, kS3, kS2, kS1, kC5, kC4, kC3, kC2, kC1, kOne, kConstants };

  static constexpr bool kWide = Vec::kWide;
  static constexpr int kBytes = Vec::kBytes;
  static constexpr size_t kLanes = Vec::kLanes;
  static constexpr size_t kDoubles = kLanes / 2;

  // The table of a token, then its heads.
  void write_token(bool halves) {
    mov(frequency_, ptr[rdi + offsetof(rope_f32_args, frequencies)]);
    point_to_tables();
    repeat(half_ / kDoubles, [&] { table_round(halves, kDoubles); });
    if (const size_t rest = half_ % kDoubles; rest != 0) {
      table_round(halves, rest);
    }
    point_to_tables();
    Xbyak::Label head, none;
    mov(x_, row_x_);
    mov(y_, row_y_);
    mov(heads_, ptr[rdi + offsetof(rope_f32_args, heads)]);
    test(heads_, heads_);
    jz(none, T_NEAR);
    L(head);
    if (halves) {
      for_vectors(half_, [&](const Xbyak::RegExp& at, size_t lanes) { turn_halves(at, lanes); });
    } else {
      for_vectors(rotated_, [&](const Xbyak::RegExp& at, size_t lanes) { turn_pairs(at, lanes); });
    }
    const int behind = static_cast<int>(4 * rotated_);
    for_vectors(d_ - rotated_, [&](const Xbyak::RegExp& at, size_t lanes) {
      part_load(Vec(0), ptr[x_ + at + behind], lanes);
      part_store(ptr[y_ + at + behind], Vec(0), lanes);
    });
    add(x_, static_cast<int>(4 * d_));
    add(y_, static_cast<int>(4 * d_));
    dec(heads_);
    jnz(head, T_NEAR);
    L(none);
  }

  void point_to_tables() {
    mov(cosines_, ptr[rdi + offsetof(rope_f32_args, scratch)]);
    lea(sines_, ptr[cosines_ + static_cast<int>((half_ + 7) / 8 * 16 * sizeof(float))]);
  }

  // The next kDoubles pairs, of which so many exist.
  void table_round(bool halves, size_t lanes) {
    if (lanes == kDoubles) {
      vmovups(Vec(0), ptr[frequency_]);
    } else if constexpr (kWide) {
      mov(eax, (1u << lanes) - 1);
      kmovw(k1, eax);
      vmovupd(Vec(0) | k1 | T_z, ptr[frequency_]);
    } else {
      vmovups(Vec(1), ptr[rip + mask_words_ + static_cast<int>((kLanes - 2 * lanes) * sizeof(float))]);
      vmaskmovpd(Vec(0), Vec(1), ptr[frequency_]);
    }
    vmulpd(Vec(0), Vec(0), Vec(15));  // angle
    vmovups(Vec(1), constant(kTwoOverPi));
    vfmadd213pd(Vec(1), Vec(0), constant(kMagic));  // shifted
    vsubpd(Vec(2), Vec(1), constant(kMagic));       // n
    vfnmadd231pd(Vec(0), Vec(2), constant(kPiHigh));
    vfnmadd231pd(Vec(0), Vec(2), constant(kPiLow));  // r
    vmulpd(Vec(2), Vec(0), Vec(0));                  // z
    vmovups(Vec(3), constant(kS4));
    for (const int power : {kS3, kS2, kS1}) {
      vfmadd213pd(Vec(3), Vec(2), constant(power));
    }
    vmulpd(Vec(3), Vec(3), Vec(2));
    vfmadd213pd(Vec(3), Vec(0), Vec(0));  // sine
    vmovups(Vec(4), constant(kC5));
    for (const int power : {kC4, kC3, kC2, kC1, kOne}) {
      vfmadd213pd(Vec(4), Vec(2), constant(power));  // cosine
    }
    vaddpd(Vec(5), Vec(1), constant(kOne));
    vpsrlq(Vec(5), Vec(5), 1);
    vpsllq(Vec(5), Vec(5), 63);  // of_cosine
    vpsrlq(Vec(6), Vec(1), 1);
    vpsllq(Vec(6), Vec(6), 63);  // of_sine
    vpsllq(Vec(1), Vec(1), 63);  // odd
    if constexpr (kWide) {
      vpmovq2m(k2, Vec(1));
      vblendmpd(Vec(7) | k2, Vec(3), Vec(4));
      vblendmpd(Vec(8) | k2, Vec(4), Vec(3));
    } else {
      vblendvpd(Vec(7), Vec(3), Vec(4), Vec(1));
      vblendvpd(Vec(8), Vec(4), Vec(3), Vec(1));
    }
    vxorpd(Vec(7), Vec(7), Vec(6));
    vxorpd(Vec(8), Vec(8), Vec(5));
    put_in_table(sines_, 7, halves);
    put_in_table(cosines_, 8, halves);
    add(frequency_, static_cast<int>(kDoubles * sizeof(double)));
  }

  // The doubles of a vector, times the scale, as floats: once, or twice each.
  void put_in_table(const Xbyak::Reg64& table, int v, bool halves) {
    vmulpd(Vec(v), Vec(v), Vec(14));
    if constexpr (kWide) {
      vcvtpd2ps(Xbyak::Ymm(v), Vec(v));
      if (halves) {
        vmovups(ptr[table], Xbyak::Ymm(v));
      } else {
        vmovups(Vec(9), ptr[rip + twice_]);
        vpermps(Vec(v), Vec(9), Vec(v));
        vmovups(ptr[table], Vec(v));
      }
    } else {
      vcvtpd2ps(Xbyak::Xmm(v), Vec(v));
      if (halves) {
        vmovups(ptr[table], Xbyak::Xmm(v));
      } else {
        vunpcklps(xmm9, Xbyak::Xmm(v), Xbyak::Xmm(v));
        vmovups(ptr[table], xmm9);
        vunpckhps(xmm9, Xbyak::Xmm(v), Xbyak::Xmm(v));
        vmovups(ptr[table + 16], xmm9);
      }
    }
    add(table, static_cast<int>(kDoubles * sizeof(float) * (halves ? 1 : 2)));
  }

  // emit(offset, lanes) for whole vectors of n floats, then for what is left; the tables may be read as whole vectors.
  template <class Emit>
  void for_vectors(size_t n, Emit&& emit) {
    const size_t vectors = n / kLanes;
    const size_t rest = n % kLanes;
    if (vectors <= 8) {
      for (size_t v = 0; v < vectors; ++v) {
        emit(Xbyak::RegExp(v * static_cast<size_t>(kBytes)), kLanes);
      }
    } else {
      Xbyak::Label loop;
      xor_(eax, eax);
      L(loop);
      emit(Xbyak::RegExp(rax), kLanes);
      add(rax, kBytes);
      cmp(rax, static_cast<int>(vectors * static_cast<size_t>(kBytes)));
      jb(loop, T_NEAR);
    }
    if (rest != 0) {
      if constexpr (kWide) {
        mov(eax, (1u << rest) - 1);
        kmovw(k1, eax);
      } else {
        vmovups(Vec(13), ptr[rip + mask_words_ + static_cast<int>((kLanes - rest) * sizeof(float))]);
      }
      emit(Xbyak::RegExp(vectors * static_cast<size_t>(kBytes)), rest);
    }
  }

  void part_load(const Vec& v, const Xbyak::Address& from, size_t lanes) {
    if (lanes == kLanes) {
      vmovups(v, from);
    } else if constexpr (kWide) {
      vmovups(v | k1 | T_z, from);
    } else {
      vmaskmovps(v, Vec(13), from);
    }
  }

  void part_store(const Xbyak::Address& to, const Vec& v, size_t lanes) {
    if (lanes == kLanes) {
      vmovups(to, v);
    } else if constexpr (kWide) {
      vmovups(to | k1, v);
    } else {
      vmaskmovps(to, Vec(13), v);
    }
  }

  void turn_pairs(const Xbyak::RegExp& at, size_t lanes) {
    part_load(Vec(0), ptr[x_ + at], lanes);
    vpermilps(Vec(1), Vec(0), 0xb1);
    vmulps(Vec(1), Vec(1), ptr[sines_ + at]);
    vfmaddsub132ps(Vec(0), Vec(1), ptr[cosines_ + at]);
    part_store(ptr[y_ + at], Vec(0), lanes);
  }

  void turn_halves(const Xbyak::RegExp& at, size_t lanes) {
    const int half = static_cast<int>(4 * half_);
    part_load(Vec(0), ptr[x_ + at], lanes);
    part_load(Vec(1), ptr[x_ + at + half], lanes);
    vmulps(Vec(2), Vec(0), ptr[sines_ + at]);
    vmulps(Vec(3), Vec(1), ptr[sines_ + at]);
    vfmsub132ps(Vec(0), Vec(3), ptr[cosines_ + at]);
    vfmadd132ps(Vec(1), Vec(2), ptr[cosines_ + at]);
    part_store(ptr[y_ + at], Vec(0), lanes);
    part_store(ptr[y_ + at + half], Vec(1), lanes);
  }

  Xbyak::Address constant(int c) { return ptr[rip + constants_ + c * kBytes]; }

  void write_constants() {
    double values[kConstants] = {};
    values[kMagic] = 0x1.8p52;
    values[kTwoOverPi] = 0.63661977236758138;
    values[kPiHigh] = 0x1.921fb544p0;
    values[kPiLow] = 0x1.0b4611a626331p-34;
    values[kS4] = 1.0 / 362880;
    values[kS3] = -1.0 / 5040;
    values[kS2] = 1.0 / 120;
    values[kS1] = -1.0 / 6;
    values[kC5] = -1.0 / 3628800;
    values[kC4] = 1.0 / 40320;
    values[kC3] = -1.0 / 720;
    values[kC2] = 1.0 / 24;
    values[kC1] = -1.0 / 2;
    values[kOne] = 1;
    align(64);
    L(constants_);
    for (const double value : values) {
      uint64_t bits;
      memcpy(&bits, &value, sizeof bits);
      for (size_t i = 0; i < kDoubles; ++i) {
        dq(bits);
      }
    }
    if constexpr (kWide) {
      L(twice_);
      for (uint32_t i = 0; i < 16; ++i) {
        dd(i / 2);
      }
    } else {
      L(mask_words_);
      for (size_t i = 0; i < 2 * kLanes; ++i) {
        dd(i < kLanes ? 0xffffffffu : 0u);
      }
    }
  }

  const Xbyak::Reg64 x_ = rsi, y_ = rdx, cosines_ = r8, sines_ = r9, position_ = r10, tokens_ = r11, heads_ = rcx,
                     frequency_ = rcx, row_x_ = rbx, row_y_ = rbp;
  const size_t half_, rotated_, d_;
  Xbyak::Label constants_, twice_, mask_words_;
};

}  // namespace
