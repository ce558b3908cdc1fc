; defect: MMX registers are used and EMMS is missing
; class: state
; stands for: MMX code that leaves every x87 register marked as in use: the caller's next FLD gives NaN
; caught by: x87-stack
global add_i32_x87_mmx_without_emms
section .text
add_i32_x87_mmx_without_emms:
        xor     eax, eax
        test    rcx, rcx
        jz      .done
.loop:
        movd    mm0, [rsi + 4*rax]
        movd    mm1, [rdx + 4*rax]
        paddd   mm0, mm1
        movd    [rdi + 4*rax], mm0
        inc     rax
        cmp     rax, rcx
        jb      .loop
.done:
        ret

section .note.GNU-stack noalloc noexec nowrite progbits
