; defect: rbp counts the elements and is not saved
; class: state
; stands for: a callee-saved register taken for free: rbp
; caught by: register
global mul_f32_x87_rbp_clobbered
section .text
mul_f32_x87_rbp_clobbered:
        test    rcx, rcx
        jz      .done
        xor     ebp, ebp
.loop:
        fld     dword [rsi + 4*rbp]
        fmul    dword [rdx + 4*rbp]
        fstp    dword [rdi + 4*rbp]
        inc     rbp
        cmp     rbp, rcx
        jb      .loop
.done:
        ret

section .note.GNU-stack noalloc noexec nowrite progbits
