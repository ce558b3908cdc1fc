#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <xbyak/xbyak.h>

// What generators share. All is local to the file that includes it.
namespace {

// The vectors of AVX2 and AVX-512, for templates to take.
struct Ymm : Xbyak::Ymm {
  static constexpr int kLanes = 8;
  static constexpr int kBytes = 32;
  static constexpr int kRegisters = 16;
  static constexpr bool kWide = false;
  using Xbyak::Ymm::Ymm;
};
struct Zmm : Xbyak::Zmm {
  static constexpr int kLanes = 16;
  static constexpr int kBytes = 64;
  static constexpr int kRegisters = 32;
  static constexpr bool kWide = true;
  using Xbyak::Zmm::Zmm;
};

// The bytes of the code that the constructor of Generator writes, 0 if they are more than capacity.
template <class Generator, class... Arguments>
size_t generate(void* code, size_t capacity, const Arguments&... arguments) {
  try {
    return Generator(code, capacity, arguments...).getSize();
  } catch (const Xbyak::Error&) {
    return 0;
  }
}

// Loads and stores of a last vector that is not whole, loops, sums and constants. No template, so that generators,
// which are templates of Vec, see its names and those of Xbyak.
class VectorGenerator : public Xbyak::CodeGenerator {
 protected:
  // rest: lanes of the last vector, 0 where all are whole.
  VectorGenerator(void* code, size_t capacity, size_t rest) : CodeGenerator(capacity, code), rest_(rest) {}

  // The mask of the first rest lanes: k1 in AVX-512, which takes eax to set it, else the register.
  template <class Vec>
  void load_mask(const Vec& mask) {
    mask_ = Xbyak::Ymm(mask.getIdx());
    if (rest_ == 0) {
      return;
    }
    if constexpr (Vec::kWide) {
      mov(eax, (1u << rest_) - 1);
      kmovw(k1, eax);
    } else {
      vmovups(mask_, ptr[rip + mask_words_]);
    }
  }

  // What load_mask reads, to be written behind the code.
  template <class Vec>
  void write_mask() {
    if constexpr (!Vec::kWide) {
      align(32);
      L(mask_words_);
      for (size_t i = 0; i < 8; ++i) {
        dd(i < rest_ ? 0xffffffffu : 0u);
      }
    }
  }

  // Masked: lanes that are not there are 0 and are not read.
  template <class Vec>
  void load(const Vec& v, const Xbyak::Address& from, bool masked) {
    if (!masked) {
      vmovups(v, from);
    } else if constexpr (Vec::kWide) {
      vmovups(v | k1 | T_z, from);
    } else {
      vmaskmovps(v, mask_, from);
    }
  }

  template <class Vec>
  void store(const Xbyak::Address& to, const Vec& v, bool masked) {
    if (!masked) {
      vmovups(to, v);
    } else if constexpr (Vec::kWide) {
      vmovups(to | k1, v);
    } else {
      vmaskmovps(to, mask_, v);
    }
  }

  // What body emits, `rounds` times in a loop that counts in rax.
  template <class Body>
  void repeat(size_t rounds, Body&& body, LabelType jump = T_NEAR) {
    if (rounds == 0) {
      return;
    }
    Xbyak::Label loop;
    mov(rax, rounds);
    align(32);
    L(loop);
    body();
    dec(rax);
    jnz(loop, jump);
  }

  // The sum of all lanes of the vectors 0 .. count - 1 into the lowest lane of register 0. Changes them and register 1.
  template <class Vec>
  void add_up(int count) {
    for (int width = count; width > 1; width = (width + 1) / 2) {
      for (int j = (width + 1) / 2; j < width; ++j) {
        const int to = j - (width + 1) / 2;
        vaddps(Vec(to), Vec(to), Vec(j));
      }
    }
    if constexpr (Vec::kWide) {
      vextractf64x4(ymm1, zmm0, 1);
      vaddps(ymm0, ymm0, ymm1);
    }
    vextractf128(xmm1, ymm0, 1);
    vaddps(xmm0, xmm0, xmm1);
    vmovhlps(xmm1, xmm0, xmm0);
    vaddps(xmm0, xmm0, xmm1);
    vmovshdup(xmm1, xmm0);
    vaddss(xmm0, xmm0, xmm1);
  }

  // emit(j) for the vectors 0 .. count - 1. Stage after stage, each for all vectors, hides the latency of the stages.
  template <class Emit>
  static void each(int count, Emit&& emit) {
    for (int j = 0; j < count; ++j) {
      emit(j);
    }
  }

  // The float as data, so many times.
  void write(float value, int copies = 1) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    for (int i = 0; i < copies; ++i) {
      dd(bits);
    }
  }

  const size_t rest_;

 private:
  template <class Vec>
  friend class Constants;

  Xbyak::Ymm mask_;
  Xbyak::Label mask_words_;
};

// The constants of a kernel, in all lanes of a vector each: the first `held` stay in registers from `first` on, the
// others are read from memory where they are used.
template <class Vec>
class Constants {
 public:
  Constants(VectorGenerator& g, int first, int held) : g_(g), first_(first), held_(held) {}

  void load() {
    for (int c = 0; c < held_; ++c) {
      g_.vmovaps(Vec(first_ + c), in_memory(c));
    }
  }

  Xbyak::Address in_memory(int c) { return g_.ptr[g_.rip + label_ + c * Vec::kBytes]; }

  Vec in_register(int c, const Vec& scratch) {
    if (c < held_) {
      return Vec(first_ + c);
    }
    g_.vmovaps(scratch, in_memory(c));
    return scratch;
  }

  // emit(j, operand) for the vectors 0 .. count - 1, with the register that holds constant c, or its place in memory.
  template <class Emit>
  void each(int count, int c, Emit&& emit) {
    for (int j = 0; j < count; ++j) {
      if (c < held_) {
        emit(j, Vec(first_ + c));
      } else {
        emit(j, in_memory(c));
      }
    }
  }

  // All of them, to be written behind the code.
  template <int kCount>
  void write(const float (&values)[kCount]) {
    write(values, kCount);
  }
  void write(const float* values, int count) {
    g_.align(64);
    g_.L(label_);
    for (int c = 0; c < count; ++c) {
      g_.write(values[c], Vec::kLanes);
    }
  }

 private:
  VectorGenerator& g_;
  const int first_;
  const int held_;
  Xbyak::Label label_;
};

}  // namespace
