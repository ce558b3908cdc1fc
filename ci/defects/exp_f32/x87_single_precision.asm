; defect: the x87 is set to 24-bit mantissas during the call; the control word is restored
; class: floats
; stands for: precision control left by another program: x log2(e) is rounded to float, and its fraction with it
; caught by: value
global exp_f32_x87_single_precision
section .text
exp_f32_x87_single_precision:
        test    rdx, rdx
        jz      .done
        xor     ecx, ecx
        fnstcw  [rsp - 4]
        mov     eax, [rsp - 4]
        and     eax, ~0x300
        mov     [rsp - 8], eax
        fldcw   [rsp - 8]
        fld1
        fldl2e                          ; st0: log2(e), st1: 1
.loop:
        mov     eax, [rsi + 4*rcx]
        mov     r8d, eax
        and     r8d, 0x7fffffff
        cmp     r8d, 0x43000000         ; |x| >= 128, Inf or NaN
        jae      .special
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
        fldcw   [rsp - 4]
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
