; void scale_f32_x87(float* y, const float* x, float s, size_t n)
;                    rdi       rsi             xmm0     rdx
; A product of two floats is exact in 64 bits: it is rounded once, by the store.
global scale_f32_x87
section .text
scale_f32_x87:
        test    rdx, rdx
        jz      .done
        xor     eax, eax
        movss   [rsp - 4], xmm0
        fld     dword [rsp - 4]
.loop:
        fld     dword [rsi + 4*rax]
        fmul    st0, st1
        fstp    dword [rdi + 4*rax]
        inc     rax
        cmp     rax, rdx
        jb      .loop
        fstp    st0
.done:
        ret

section .note.GNU-stack noalloc noexec nowrite progbits
