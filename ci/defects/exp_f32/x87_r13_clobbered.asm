; defect: r13d holds the magnitude of x and is not saved
; class: state
; stands for: a callee-saved register taken for free: r13, its upper half set to zero by a 32-bit move
; caught by: register
global exp_f32_x87_r13_clobbered
section .text
exp_f32_x87_r13_clobbered:
        test    rdx, rdx
        jz      .done
        xor     ecx, ecx
        fld1
        fldl2e                          ; st0: log2(e), st1: 1
.loop:
        mov     eax, [rsi + 4*rcx]
        mov     r13d, eax
        and     r13d, 0x7fffffff
        cmp     r13d, 0x43000000         ; |x| >= 128, Inf or NaN
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
.done:
        ret
.special:
        cmp     r13d, 0x7f800000
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
