; void swiglu_f32_x87(float* z, const float* gate, const float* up, size_t n)
;                       rdi             rsi               rdx        rcx
;
; The product of up and of silu(x) = x / (1 + 2^n 2^f), n = rint(u), f = u - n, u = -log2(e) x. u is right to 2^-56 absolutely
; where the result is not 0.
global swiglu_f32_x87

section .text
swiglu_f32_x87:
        test    rcx, rcx
        jz      .done
        xor     eax, eax
        fld1
        fldl2e
        fchs                            ; a 1, a = -log2(e)
.loop:
        mov     r8d, [rsi + 4*rax]
        and     r8d, 0x7fffffff
        cmp     r8d, 0x46000000         ; |x| >= 2^13, Inf or NaN
        jae     .special
        fld     dword [rsi + 4*rax]     ; x a 1
        fld     st0
        fmul    st0, st2                ; u x a 1
        fld     st0
        frndint
        fsub    st1, st0
        fxch    st1                     ; f n x a 1, |f| <= 1/2: in the domain of F2XM1
        f2xm1
        fadd    st0, st4
        fscale
        fstp    st1                     ; 2^u x a 1
        fadd    st0, st3
        fdivp   st1, st0                ; x / (1 + 2^u)
.store:
        fmul    dword [rdx + 4*rax]
        fstp    dword [rdi + 4*rax]
        inc     rax
        cmp     rax, rcx
        jb      .loop
        fstp    st0
        fstp    st0
.done:
        ret
.special:                               ; x and NaN as they are; -0 for a negative number
        fld     dword [rsi + 4*rax]
        cmp     r8d, 0x7f800000
        ja      .store
        cmp     dword [rsi + 4*rax], 0
        jge     .store
        fstp    st0
        fldz
        fchs
        jmp     .store

section .note.GNU-stack noalloc noexec nowrite progbits
