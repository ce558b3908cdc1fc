; defect: the loop looks at n only after its first round
; class: lengths
; stands for: do-while where while is meant: n = 0 handles one element
; caught by: memory canary
global add_i32_x87_n_zero
section .text
add_i32_x87_n_zero:
        xor     eax, eax
.loop:
        mov     r8d, [rsi + 4*rax]
        add     r8d, [rdx + 4*rax]
        mov     [rdi + 4*rax], r8d
        inc     rax
        cmp     rax, rcx
        jb      .loop
        ret

section .note.GNU-stack noalloc noexec nowrite progbits
