; The dequantize family: a product, a sum and a store for each weight. A block's integers come from portable C (integers.h), as
; NASM includes no format.
;
; void dequantize_x87(float* y, const void* x, size_t n): rdi, rsi, rdx
global dequantize_x87

%include "kernels/shared/x87.inc"

%if LAYOUT_BITS > 8
dequantize_x87:
        sub     rsp, 8                  ; aligned for the calls
        lea     rcx, [rdi + 4*rdx]      ; the end of y
.weight:
        cmp     rdi, rcx
        jae     .done
%ifdef LAYOUT_f32
        fld     dword [rsi]
%else
        movzx   eax, word [rsi]
%ifdef LAYOUT_f16
        call    push_half
%else                                   ; bf16, the upper half of a float
        shl     eax, 16
        mov     [rsp - 4], eax
        fld     dword [rsp - 4]
%endif
%endif
        fstp    dword [rdi]
        add     rsi, LAYOUT_BITS / 8
        add     rdi, 4
        jmp     .weight
.done:
        add     rsp, 8
        ret
%else
extern dequantize_integers

; struct dequantize_block
%define BLOCK_BYTES   0
%define BLOCK_GROUPS  8
%define BLOCK_GROUP   16
%define BLOCK_SCALES  24
%define BLOCK_OFFSETS 64                ; from a scale to its offset
%define BLOCK_VALUES  152
%define BLOCK_SIZE    664

;   rbx y   rbp block   r12 the end of y
dequantize_x87:
        push    rbx
        push    rbp
        push    r12
        sub     rsp, (BLOCK_SIZE + 15) & -16 ; aligned for the call
        mov     rbx, rdi
        mov     rbp, rsi
        lea     r12, [rdi + 4*rdx]
.block:
        cmp     rbx, r12
        jae     .done
        mov     rdi, rsp
        mov     rsi, rbp
        call    dequantize_integers wrt ..plt
        add     rbp, [rsp + BLOCK_BYTES]
        mov     r8, [rsp + BLOCK_GROUPS]
        lea     rsi, [rsp + BLOCK_SCALES]
        lea     rdi, [rsp + BLOCK_VALUES]
.group:
        fld     dword [rsi + BLOCK_OFFSETS]
        fld     dword [rsi]
        mov     rcx, [rsp + BLOCK_GROUP]
.weight:
        fild    word [rdi]
        fmul    st0, st1
        fadd    st0, st2
        fstp    dword [rbx]
        add     rdi, 2
        add     rbx, 4
        dec     rcx
        jnz     .weight
        fstp    st0
        fstp    st0
        add     rsi, 4
        dec     r8
        jnz     .group
        jmp     .block
.done:
        add     rsp, (BLOCK_SIZE + 15) & -16
        pop     r12
        pop     rbp
        pop     rbx
        ret
%endif

section .note.GNU-stack noalloc noexec nowrite progbits
