; defect: the direction flag is set for a loop that runs backwards, and stays set
; class: state
; stands for: STD without CLD: the caller's next REP MOVS copies backwards
; caught by: direction-flag
global add_i32_x87_direction_flag_set
section .text
add_i32_x87_direction_flag_set:
        test    rcx, rcx
        jz      .done
        lea     rsi, [rsi + 4*rcx - 4]
        lea     rdi, [rdi + 4*rcx - 4]
        std
.loop:
        lodsd
        add     eax, [rdx + 4*rcx - 4]
        stosd
        dec     rcx
        jnz     .loop
.done:
        ret

section .note.GNU-stack noalloc noexec nowrite progbits
