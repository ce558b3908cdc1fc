; defect: the x87 is set to 53-bit mantissas and stays so
; class: state
; stands for: precision control changed for reproducible results and not restored: the caller's long double is a double
; caught by: x87-control
global dot_f32_x87_precision_left
section .text
dot_f32_x87_precision_left:
        fnstcw  [rsp - 8]
        and     word [rsp - 8], ~0x300
        or      word [rsp - 8], 0x200
        fldcw   [rsp - 8]
        fldz
        xor     eax, eax
        test    rdx, rdx
        jz      .done
.loop:
        fld     dword [rdi + 4*rax]
        fmul    dword [rsi + 4*rax]
        faddp   st1, st0
        inc     rax
        cmp     rax, rdx
        jb      .loop
.done:
        fstp    dword [rsp - 4]
        movss   xmm0, [rsp - 4]
        ret

section .note.GNU-stack noalloc noexec nowrite progbits
