; void rms_norm_f32_x87(y, x, w, eps, n)
;   y: rdi, x: rsi, w: rdx, eps: xmm0, n: rcx
global rms_norm_f32_x87
section .text
rms_norm_f32_x87:
%include "kernels/shared/x87_rms_norm.inc"

section .note.GNU-stack noalloc noexec nowrite progbits
