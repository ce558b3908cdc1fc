; void exp_f32_x87(float* y, const float* x, size_t n)
;                  rdi       rsi             rdx
;
; e^x = 2^n 2^f with n = rint(u), f = u - n, u = x log2(e). With 64-bit mantissas u is right to 2^-57 absolutely.
global exp_f32_x87
section .text
exp_f32_x87:
        test    rdx, rdx
        jz      .done
        xor     ecx, ecx
        fld1
        fldl2e                          ; st0: log2(e), st1: 1
.loop:
        mov     eax, [rsi + 4*rcx]
        mov     r8d, eax
        and     r8d, 0x7fffffff
        cmp     r8d, 0x43000000         ; |x| >= 128, Inf or NaN
        jae     .special
        fld     dword [rsi + 4*rcx]
        fmul    st0, st1                ; u
        fld     st0
        frndint                         ; n u
        fsub    st1, st0
        fxch    st1                     ; f n, |f| <= 1/2: in the domain of F2XM1
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
        cmp     r8d, 0x7f800000
        ja      .nan
        sar     eax, 31                 ; -1 for x < 0
        not     eax
        and     eax, 0x7f800000         ; +0 or +Inf
        mov     [rdi + 4*rcx], eax
        jmp     .next
.nan:
        fld     dword [rsi + 4*rcx]
        fstp    dword [rdi + 4*rcx]
        jmp     .next

section .note.GNU-stack noalloc noexec nowrite progbits
