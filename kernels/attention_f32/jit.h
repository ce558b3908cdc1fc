#pragma once
#include "kernels/attention_f32/jit_tile.h"

namespace {

class Generator : public Tiles {
 public:
  Generator(void* code, size_t capacity, size_t d, int lanes) : Tiles(code, capacity, d, lanes) {
    Xbyak::Label nothing;
    Xbyak::Label next;
    Xbyak::Label one;
    Xbyak::Label wide;
    Xbyak::Label tile_done;
    Xbyak::Label advance;
    cmp(qword[rdi + offsetof(attention_f32_args, n_q)], 0);
    je(nothing, T_NEAR);
    const Xbyak::Reg64 saved[] = {rbx, rbp, r12, r13, r14, r15};
    for (const auto& r : saved) {
      push(r);
    }
    sub(rsp, frame());
    mov(r8, arg(offsetof(attention_f32_args, q)));
    mov(r10, arg(offsetof(attention_f32_args, scratch)));
    mov(r12, arg(offsetof(attention_f32_args, out)));
    mov(r13, arg(offsetof(attention_f32_args, n_q)));
    mov(rbx, arg(offsetof(attention_f32_args, pos)));
    inc(rbx);
    load_constants();
    L(next);
    cmp(r13, few());
    jbe(one, T_NEAR);
    lea(rax, ptr[rbx + r13 - 1]);
    cmp(rax, together());
    jb(one, T_NEAR);
    cmp(r13, lanes_);
    ja(wide, T_NEAR);
    attend_tile(1);
    jmp(tile_done, T_NEAR);
    L(wide);
    attend_tile(2);
    L(tile_done);
    load_constants();
    mov(r10, arg(offsetof(attention_f32_args, scratch)));
    queries_of_tile(rax);
    jmp(advance, T_NEAR);
    L(one);
    attend_row();
    mov(eax, 1);
    L(advance);
    mov(rcx, arg(offsetof(attention_f32_args, ldo)));
    imul(rcx, rax);
    lea(r12, ptr[r12 + rcx * 4]);
    mov(rcx, arg(offsetof(attention_f32_args, ldq)));
    imul(rcx, rax);
    lea(r8, ptr[r8 + rcx * 4]);
    add(rbx, rax);
    sub(r13, rax);
    jnz(next, T_NEAR);
    add(rsp, frame());
    for (size_t i = 6; i-- > 0;) {
      pop(saved[i]);
    }
    vzeroupper();
    L(nothing);
    ret();
    write_constants();
  }
};

size_t generate(void* code, size_t capacity, size_t d, int lanes) {
  try {
    return Generator(code, capacity, d, lanes).getSize();
  } catch (const Xbyak::Error&) {
    return 0;  // capacity is too small
  }
}

}  // namespace
