; void geglu_f32_x87(float* z, const float* gate, const float* up, size_t n)
;                       rdi             rsi               rdx        rcx
;
; The product of up and of gelu(x) = x / (1 + 2^n 2^f), n = rint(u), f = u - n, u = x (a + b x^2), a = -2 sqrt(2/pi) log2(e), b = 0.044715 a.
; With 64-bit mantissas u is right to 2^-55 absolutely.
global geglu_f32_x87

section .rodata align=16
a:      dt      -2.3022081981443248891338947704366268
        align   16
b:      dt      -0.10294323958002348741762210466007377

section .text
geglu_f32_x87:
        test    rcx, rcx
        jz      .done
        xor     eax, eax
        fld1
        fld     tword [rel a]
        fld     tword [rel b]           ; b a 1
.loop:
        mov     r8d, [rsi + 4*rax]
        and     r8d, 0x7fffffff
        cmp     r8d, 0x41800000         ; |x| >= 16, Inf or NaN
        jae     .special
        fld     dword [rsi + 4*rax]     ; x b a 1
        fld     st0
        fmul    st0, st0
        fmul    st0, st2
        fadd    st0, st3
        fmul    st0, st1                ; u x b a 1
        fld     st0
        frndint
        fsub    st1, st0
        fxch    st1                     ; f n x b a 1, |f| <= 1/2: in the domain of F2XM1
        f2xm1
        fadd    st0, st5
        fscale
        fstp    st1                     ; 2^u x b a 1
        fadd    st0, st4
        fdivp   st1, st0                ; x / (1 + 2^u)
.store:
        fmul    dword [rdx + 4*rax]
        fstp    dword [rdi + 4*rax]
        inc     rax
        cmp     rax, rcx
        jb      .loop
        fstp    st0
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
