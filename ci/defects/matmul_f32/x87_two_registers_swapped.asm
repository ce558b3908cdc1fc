; defect: r12 and r13 are popped in the order in which they were pushed
; class: state
; stands for: push and pop pairs out of order
; caught by: register
; Packed: panels of 4 rows, column by column: 4 weights for column 0, then for column 1, ... Rows that the last panel
; lacks are zeros; nothing that they give is stored.
;
; struct matmul_f32_args, 8 bytes each: y packed x bias ldy ldx rows cols tokens row_begin row_end
%define Y        [rdi]
%define matmul_f32_pack_x87_two_registers_swappedED   [rdi + 8]
%define X        [rdi + 16]
%define BIAS     [rdi + 24]
%define LDY      [rdi + 32]
%define LDX      [rdi + 40]
%define COLS     [rdi + 56]
%define TOKENS   [rdi + 64]
%define BEGIN    [rdi + 72]
%define END      [rdi + 80]

section .text

; size_t matmul_f32_pack_x87_two_registers_swapped(void* packed, const float* w, size_t rows, size_t cols)
;                            rdi           rsi             rdx          rcx         -> rax
global matmul_f32_pack_x87_two_registers_swapped
matmul_f32_pack_x87_two_registers_swapped:
        lea     rax, [rdx + 3]
        and     rax, -4
        imul    rax, rcx
        shl     rax, 2                  ; bytes: whole panels
        test    rdi, rdi
        jz      .done
        lea     r11, [4*rcx]            ; bytes of a row of w
.panel:
        test    rdx, rdx
        jle     .done
        mov     r8, rcx                 ; columns left
        test    r8, r8
        jz      .done
.column:
        mov     r9, rsi                 ; w[row + r][c]
        xor     r10d, r10d              ; r
.row:
        pxor    xmm0, xmm0
        cmp     r10, rdx
        jae     .store                  ; no such row: zero
        movss   xmm0, [r9]
.store:
        movss   [rdi], xmm0
        add     rdi, 4
        add     r9, r11
        inc     r10
        cmp     r10, 4
        jb      .row
        add     rsi, 4
        dec     r8
        jnz     .column
        ; rsi stands at the second row of the panel: on to the fifth
        lea     r9, [r11 + 2*r11]
        add     rsi, r9
        sub     rdx, 4
        jmp     .panel
.done:
        ret

; void matmul_f32_x87_two_registers_swapped(const struct matmul_f32_args*)
;
; Four running sums on the register stack, one for each row of the panel: they hide a part of the latency of FADD.
;   rsi packed panel   rax weights     r8  x of the token     rdx x column
;   r9  y              r10 bias        rbx rows left in this panel
;   r12 row            r13 tokens left
global matmul_f32_x87_two_registers_swapped
matmul_f32_x87_two_registers_swapped:
        push    rbx
        push    r12
        push    r13
        mov     r12, BEGIN
        mov     rsi, r12
        imul    rsi, COLS
        shl     rsi, 2
        add     rsi, matmul_f32_pack_x87_two_registers_swappedED
.panel:
        mov     rbx, END
        sub     rbx, r12
        jbe     .done
        mov     r8, X
        mov     r9, Y
        lea     r9, [r9 + 4*r12]
        mov     r10, BIAS
        test    r10, r10
        jz      .tokens
        lea     r10, [r10 + 4*r12]
.tokens:
        mov     r13, TOKENS
        test    r13, r13
        jz      .done
.token:
        fldz
        fldz
        fldz
        fldz                            ; st0..st3: rows 0..3
        mov     rax, rsi
        mov     rdx, r8
        mov     rcx, COLS
        test    rcx, rcx
        jz      .store
.column:
        fld     dword [rdx]             ; x
        fld     st0
        fmul    dword [rax]
        faddp   st2, st0                ; x s0 s1 s2 s3
        fld     st0
        fmul    dword [rax + 4]
        faddp   st3, st0
        fld     st0
        fmul    dword [rax + 8]
        faddp   st4, st0
        fmul    dword [rax + 12]        ; the last use of x
        faddp   st4, st0
        add     rax, 16
        add     rdx, 4
        dec     rcx
        jnz     .column
.store:
        ; the rows that exist, one after the other; the others are dropped
        xor     ecx, ecx
.row:
        cmp     rcx, rbx
        jae     .drop
        test    r10, r10
        jz      .no_bias
        fadd    dword [r10 + 4*rcx]
.no_bias:
        fstp    dword [r9 + 4*rcx]
        jmp     .next
.drop:
        fstp    st0
.next:
        inc     ecx
        cmp     ecx, 4
        jb      .row
        mov     rax, LDX
        lea     r8, [r8 + 4*rax]
        mov     rax, LDY
        lea     r9, [r9 + 4*rax]
        dec     r13
        jnz     .token
        mov     rax, COLS
        shl     rax, 4
        add     rsi, rax
        add     r12, 4
        jmp     .panel
.done:
        pop     r12
        pop     r13
        pop     rbx
        ret

section .note.GNU-stack noalloc noexec nowrite progbits
