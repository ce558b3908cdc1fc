; void add_i32_x87(z, x, y, n)
;   z: rdi, x: rsi, y: rdx, n: rcx
global add_i32_x87
section .text
add_i32_x87:
        xor     eax, eax
        test    rcx, rcx
        jz      .done
.loop:
        fild    dword [rsi + 4*rax]
        fiadd   dword [rdx + 4*rax]     ; 33 bits at most: exact in the 64-bit mantissa
        fistp   qword [rsp - 8]         ; the red zone
        mov     r8d, [rsp - 8]          ; the low half: modulo 2^32
        mov     [rdi + 4*rax], r8d
        inc     rax
        cmp     rax, rcx
        jb      .loop
.done:
        ret

section .note.GNU-stack noalloc noexec nowrite progbits
