; void add_layer_norm_f32_x87(const add_layer_norm_f32_args*): rdi
;
; The row is added and rounded first; what then happens to it is layer_norm_f32's.
%include "kernels/shared/x87_residual.inc"

global add_layer_norm_f32_x87

; struct add_layer_norm_f32_args
%define ARG_Y        0
%define ARG_SUM      8
%define ARG_X        16
%define ARG_RESIDUAL 24
%define ARG_W        32
%define ARG_B        40
%define ARG_N        48
%define ARG_EPS      56

section .text
add_layer_norm_f32_x87:
        mov     rsi, [rdi + ARG_SUM]
        mov     rdx, [rdi + ARG_X]
        mov     rcx, [rdi + ARG_RESIDUAL]
        mov     r8, [rdi + ARG_N]
        ADD_RESIDUAL r8
        mov     rdx, [rdi + ARG_W]
        mov     rcx, [rdi + ARG_B]
        movss   xmm0, [rdi + ARG_EPS]
        mov     rdi, [rdi + ARG_Y]
%include "kernels/shared/x87_layer_norm.inc"

section .note.GNU-stack noalloc noexec nowrite progbits
