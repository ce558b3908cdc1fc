; defect: the last sum is stored without popping it
; class: state
; stands for: FST where FSTP is meant: the ninth call overflows the register stack
; caught by: x87-stack
global add_f32_x87_stack_left
section .text
add_f32_x87_stack_left:
        xor     eax, eax
        test    rcx, rcx
        jz      .done
.loop:
        fld     dword [rsi + 4*rax]
        fadd    dword [rdx + 4*rax]
        inc     rax
        cmp     rax, rcx
        je      .last
        fstp    dword [rdi + 4*rax - 4]
        jmp     .loop
.last:
        fst     dword [rdi + 4*rax - 4]
.done:
        ret

section .note.GNU-stack noalloc noexec nowrite progbits
