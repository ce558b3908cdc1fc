; void residual_ffn_f32_x87(z, a, b, w, n)
;   z: rdi, a: rsi, b: rdx, w: rcx, n: r8
global residual_ffn_f32_x87
section .text
residual_ffn_f32_x87:
        xor     eax, eax
        test    r8, r8
        jz      .done
.loop:
        fld     dword [rdx + 4*rax]     ; b
        fld     st0
        fmul    dword [rcx + 4*rax]     ; b*w b
        fxch
        fadd    dword [rsi + 4*rax]     ; a+b b*w
        faddp   st1, st0
        fstp    dword [rdi + 4*rax]     ; one rounding: the sum and product are exact to 64 bits
        inc     rax
        cmp     rax, r8
        jb      .loop
.done:
        ret

section .note.GNU-stack noalloc noexec nowrite progbits
