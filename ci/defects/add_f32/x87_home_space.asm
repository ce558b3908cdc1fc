; defect: z is kept in the four words above the return address
; class: state
; stands for: the home space of the Microsoft ABI, which the System V ABI does not have: it is the caller's frame
; caught by: stack
global add_f32_x87_home_space
section .text
add_f32_x87_home_space:
        mov     [rsp + 8], rdi
        xor     eax, eax
        test    rcx, rcx
        jz      .done
.loop:
        mov     rdi, [rsp + 8]
        fld     dword [rsi + 4*rax]
        fadd    dword [rdx + 4*rax]
        fstp    dword [rdi + 4*rax]
        inc     rax
        cmp     rax, rcx
        jb      .loop
.done:
        ret

section .note.GNU-stack noalloc noexec nowrite progbits
