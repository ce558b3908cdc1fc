; void softcap_f32_x87(float* y, const float* x, float c, size_t n)
;                      rdi       rsi             xmm0     rdx
;
; c tanh(x / c) = c E / (E + 2), E = 2^n (2^f - 1) + (2^n - 1), n + f = |x| 2 log2(e) / c.
global softcap_f32_x87
section .text
softcap_f32_x87:
        test    rdx, rdx
        jz      .done
        xor     eax, eax
        movss   [rsp - 4], xmm0
        fld1
        fld     dword [rsp - 4]         ; c 1
        fldl2e
        fadd    st0, st0
        fdiv    st0, st1                ; k c 1
.loop:
        fld     dword [rsi + 4*rax]
        fabs
        fmul    st0, st1                ; u k c 1
        mov     r8d, [rsi + 4*rax]
        and     r8d, 0x7fffffff
        cmp     r8d, 0x7f800000
        ja      .store                  ; a NaN
        fld     dword [rel most]
        fucomip st0, st1
        jbe     .cap                    ; u >= 64: tanh is 1
        fld     st0
        frndint                         ; n u k c 1
        fsub    st1, st0
        fxch    st1                     ; f n k c 1, |f| <= 1/2: in the domain of F2XM1
        f2xm1
        fscale                          ; 2^n (2^f - 1), n, k c 1
        fxch    st1
        fld     st4
        fscale
        fstp    st1                     ; 2^n, 2^n (2^f - 1), k c 1
        fsub    st0, st4
        faddp   st1, st0                ; E k c 1
        fld     st0
        fadd    st0, st4
        fadd    st0, st4
        fdivp   st1, st0
        fmul    st0, st2
        jmp     .sign
.cap:
        fstp    st0
        fld     st1
.sign:
        cmp     dword [rsi + 4*rax], 0
        jge     .store
        fchs
.store:
        fstp    dword [rdi + 4*rax]
        inc     rax
        cmp     rax, rdx
        jb      .loop
        fstp    st0
        fstp    st0
        fstp    st0
.done:
        ret

section .rodata
        align   4
most:   dd      64.0

section .note.GNU-stack noalloc noexec nowrite progbits
