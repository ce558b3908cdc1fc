; defect: it returns with RET 8
; class: state
; stands for: a callee that pops arguments it was never given: the stack pointer comes back wrong
; caught by: stack
global add_f32_x87_return_pops
section .text
add_f32_x87_return_pops:
        xor     eax, eax
        test    rcx, rcx
        jz      .done
.loop:
        fld     dword [rsi + 4*rax]
        fadd    dword [rdx + 4*rax]
        fstp    dword [rdi + 4*rax]
        inc     rax
        cmp     rax, rcx
        jb      .loop
.done:
        ret     8

section .note.GNU-stack noalloc noexec nowrite progbits
