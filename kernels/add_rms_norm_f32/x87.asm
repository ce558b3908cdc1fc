; void add_rms_norm_f32_x87(y, sum, x, residual, w, eps, n)
;   y: rdi, sum: rsi, x: rdx, residual: rcx, w: r8, eps: xmm0, n: r9
;
; The row is added and rounded first; what then happens to it is rms_norm_f32's.
%include "kernels/shared/x87_residual.inc"

global add_rms_norm_f32_x87
section .text
add_rms_norm_f32_x87:
        ADD_RESIDUAL r9
        mov     rdx, r8
        mov     rcx, r9
%include "kernels/shared/x87_rms_norm.inc"

section .note.GNU-stack noalloc noexec nowrite progbits
