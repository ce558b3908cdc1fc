; void relu2_glu_f32_x87(float* z, const float* gate, const float* up, size_t n)
;                    rdi        rsi               rdx              rcx
; The square is rounded to a float by way of memory. A product of two floats is exact in 64 bits, so none is rounded twice.
global relu2_glu_f32_x87
section .text
relu2_glu_f32_x87:
        xor     eax, eax
        test    rcx, rcx
        jz      .done
.loop:
        mov     r8d, [rsi + 4*rax]
        cmp     r8d, 0xff800000         ; above are the negative NaNs
        ja      .number
        test    r8d, r8d
        jns     .number
        fldz
        jmp     .square
.number:
        fld     dword [rsi + 4*rax]
.square:
        fmul    st0, st0
        fstp    dword [rsp - 4]
        fld     dword [rsp - 4]
        fmul    dword [rdx + 4*rax]
        fstp    dword [rdi + 4*rax]
        inc     rax
        cmp     rax, rcx
        jb      .loop
.done:
        ret

section .note.GNU-stack noalloc noexec nowrite progbits
