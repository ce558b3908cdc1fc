; defect: +Inf and -Inf go the way of numbers: u - rint(u) is NaN
; class: floats
; stands for: exp of -Inf: range reduction without a look at infinities
; caught by: value
global exp_f32_x87_infinity_minus_infinity
section .text
exp_f32_x87_infinity_minus_infinity:
        test    rdx, rdx
        jz      .done
        xor     ecx, ecx
        fld1
        fldl2e                          ; st0: log2(e), st1: 1
.loop:
        mov     eax, [rsi + 4*rcx]
        mov     r8d, eax
        and     r8d, 0x7fffffff
        cmp     r8d, 0x7f800000
        ja      .special
        fld     dword [rsi + 4*rcx]
        fmul    st0, st1                ; u = x log2(e)
        fld     st0
        frndint                         ; n u
        fsub    st1, st0
        fxch    st1                     ; f n
        f2xm1
        fadd    st0, st3
        fscale
        fstp    dword [rdi + 4*rcx]
        fstp    st0
.next:
        inc     rcx
        cmp     rcx, rdx
        jb      .loop
        fstp    st0
        fstp    st0
.done:
        ret
.special:
        fld     dword [rsi + 4*rcx]
        fstp    dword [rdi + 4*rcx]
        jmp     .next

section .note.GNU-stack noalloc noexec nowrite progbits
