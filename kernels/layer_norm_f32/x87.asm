; void layer_norm_f32_x87(y, x, w, b, eps, n)
;   y: rdi, x: rsi, w: rdx, b: rcx, eps: xmm0, n: r8
global layer_norm_f32_x87
section .text
layer_norm_f32_x87:
%include "kernels/shared/x87_layer_norm.inc"

section .note.GNU-stack noalloc noexec nowrite progbits
