; void mul_f32_x87(z, x, y, n)
;   z: rdi, x: rsi, y: rdx, n: rcx
; Rounded twice, to 64 and then to 24 bits: harmless, as 64 >= 2*24 + 2 (Figueroa, When is double rounding innocuous?,
; SIGNUM Newsletter 30(3), 1995).
global mul_f32_x87
section .text
mul_f32_x87:
        xor     eax, eax
        test    rcx, rcx
        jz      .done
.loop:
        fld     dword [rsi + 4*rax]
        fmul    dword [rdx + 4*rax]
        fstp    dword [rdi + 4*rax]
        inc     rax
        cmp     rax, rcx
        jb      .loop
.done:
        ret

section .note.GNU-stack noalloc noexec nowrite progbits
