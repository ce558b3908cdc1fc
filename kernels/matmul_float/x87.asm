; The matmul family for floats: four running sums on the register stack, one for each of four rows: they hide a part of the latency
; of FADD. The layout is that of layout.h.
;
; void matmul_float_x87(const matmul_args*): rdi
global matmul_float_x87

; struct matmul_args
%define ARG_Y         0
%define ARG_PACKED    8
%define ARG_X         16
%define ARG_BIAS      24
%define ARG_LDY       40
%define ARG_ROWS      48
%define ARG_COLS      56
%define ARG_TOKENS    64
%define ARG_ROW_BEGIN 72
%define ARG_ROW_END   80

%define BYTES         (LAYOUT_BITS / 8)

%include "kernels/shared/x87.inc"

; ADD_PRODUCT row, sum: to the row's sum the product of x, on top of the stack, and its weight. Changes eax and edx.
%macro ADD_PRODUCT 2
%if LAYOUT_BITS == 32
        fld     st0
        fmul    dword [rcx + 4 * %1]
%else
        movzx   eax, word [rcx + 2 * %1]
%ifdef LAYOUT_bf16                      ; the upper half of a float
        shl     eax, 16
        mov     [rsp - 4], eax
        fld     dword [rsp - 4]
%else
        call    push_half
%endif
        fmul    st0, st1
%endif
        faddp   %2, st0
%endmacro

;   rsi weights of the four rows   rcx weights of a column   r11 bytes from a column to the next
;   r8  x of the token             r10 its column            r9  y          rbp bias, or NULL
;   rbx rows left                  r12 row                   r13 tokens left   r14 columns left
matmul_float_x87:
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        mov     r12, [rdi + ARG_ROW_BEGIN]
.rows:
        mov     rbx, [rdi + ARG_ROW_END]
        sub     rbx, r12
        jbe     .done
        ; The panel begins at row & -32. It is narrow if 16 rows or fewer are left from there.
        mov     rax, r12
        and     rax, -32
        mov     r11d, 32 * BYTES
        mov     rdx, [rdi + ARG_ROWS]
        sub     rdx, rax
        cmp     rdx, 16
        ja      .wide
        mov     r11d, 16 * BYTES
.wide:
        imul    rax, [rdi + ARG_COLS]
        mov     rsi, r12
        and     esi, 31
        add     rsi, rax
        imul    rsi, rsi, BYTES
        add     rsi, [rdi + ARG_PACKED]
        mov     r8, [rdi + ARG_X]
        mov     r9, [rdi + ARG_Y]
        lea     r9, [r9 + 4*r12]
        mov     rbp, [rdi + ARG_BIAS]
        test    rbp, rbp
        jz      .tokens
        lea     rbp, [rbp + 4*r12]
.tokens:
        mov     r13, [rdi + ARG_TOKENS]
        test    r13, r13
        jz      .done
.token:
        fldz
        fldz
        fldz
        fldz                            ; st0..st3: rows 0..3
        mov     rcx, rsi
        mov     r10, r8
        mov     r14, [rdi + ARG_COLS]
        test    r14, r14
        jz      .store
.column:
        fld     dword [r10]             ; x
        ADD_PRODUCT 0, st2
        ADD_PRODUCT 1, st3
        ADD_PRODUCT 2, st4
        ADD_PRODUCT 3, st5
        fstp    st0
        add     rcx, r11
        add     r10, 4
        dec     r14
        jnz     .column
.store:
        ; the rows that exist, one after the other; the others are dropped
        xor     ecx, ecx
.row:
        cmp     rcx, rbx
        jae     .drop
        test    rbp, rbp
        jz      .no_bias
        fadd    dword [rbp + 4*rcx]
.no_bias:
        fstp    dword [r9 + 4*rcx]
        jmp     .next
.drop:
        fstp    st0
.next:
        inc     ecx
        cmp     ecx, 4
        jb      .row
        mov     rax, [rdi + ARG_COLS]
        lea     r8, [r8 + 4*rax]
        mov     rax, [rdi + ARG_LDY]
        lea     r9, [r9 + 4*rax]
        dec     r13
        jnz     .token
        add     r12, 4
        jmp     .rows
.done:
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
        ret

section .note.GNU-stack noalloc noexec nowrite progbits
