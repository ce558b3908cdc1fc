; defect: the sum lies for a moment just below the red zone
; class: state
; stands for: locals kept below the stack pointer beyond 128 bytes: a signal overwrites them
; caught by: interrupt threads
global add_f32_x87_below_red_zone
section .text
add_f32_x87_below_red_zone:
        xor     eax, eax
        test    rcx, rcx
        jz      .done
.loop:
        fld     dword [rsi + 4*rax]
        fadd    dword [rdx + 4*rax]
        fstp    dword [rsp - 132]
        mov     r8d, [rsp - 132]
        mov     [rdi + 4*rax], r8d
        inc     rax
        cmp     rax, rcx
        jb      .loop
.done:
        ret

section .note.GNU-stack noalloc noexec nowrite progbits
