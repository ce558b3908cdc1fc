; The matmul family: integers in general registers, the scales on the x87 stack. One row and token after the other, from the
; layout of layout.h with codes of LAYOUT_BITS.
;
; void matmul_x87(const matmul_args*): rdi
global matmul_x87

; struct matmul_args
%define ARG_Y         0
%define ARG_PACKED    8
%define ARG_X         16
%define ARG_BIAS      24
%define ARG_LDY       40
%define ARG_COLS      56
%define ARG_TOKENS    64
%define ARG_ROW_BEGIN 72
%define ARG_ROW_END   80

%define STEPS         LAYOUT_BITS
%define ZERO          (1 << (LAYOUT_BITS - 1))
%define BLOCK_CODES   (64 * STEPS)
%define BLOCK_SCALES  32
%define X_BYTES       34

%include "kernels/shared/x87.inc"

; r8d += (eax - ZERO) * the activation at rsi + %1. Changes eax and edx.
%macro ADD_PRODUCT 1
        movsx   edx, byte [rsi + %1]
        sub     eax, ZERO
        imul    eax, edx
        add     r8d, eax
%endmacro

matmul_x87:
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        sub     rsp, 8                  ; aligned for the calls
        mov     r12, [rdi + ARG_COLS]
        shr     r12, 5                  ; blocks
        imul    r13, r12, BLOCK_CODES + BLOCK_SCALES
        add     r13, 63
        and     r13, -64                ; bytes of a panel
        xor     r14d, r14d              ; token
.token:
        cmp     r14, [rdi + ARG_TOKENS]
        jae     .done
        mov     r15, [rdi + ARG_ROW_BEGIN]
.row:
        cmp     r15, [rdi + ARG_ROW_END]
        jae     .next_token
        mov     rcx, r15
        shr     rcx, 4
        imul    rcx, r13
        add     rcx, [rdi + ARG_PACKED] ; the panel
        mov     rbx, r12
        imul    rbx, rbx, BLOCK_CODES
        add     rbx, rcx                ; its scales
        mov     eax, r15d
        and     eax, 15
        lea     rbx, [rbx + 2*rax]      ; of this row
        lea     rcx, [rcx + 4*rax]      ; codes of this row
        mov     rsi, r14
        imul    rsi, r12
        imul    rsi, rsi, X_BYTES
        add     rsi, [rdi + ARG_X]      ; the token's blocks
        mov     rbp, r12
        fldz
        test    rbp, rbp
        jz      .store
.block:
        xor     r8d, r8d
        add     rsi, 2
        mov     r9d, STEPS
.step:
%assign k 0
%rep 4
        movzx   eax, byte [rcx + k]
%if LAYOUT_BITS == 8
        ADD_PRODUCT k
%elif LAYOUT_BITS == 1
        mov     r10d, eax
%assign i 0
%rep 8
        mov     eax, r10d
        and     eax, 1 << i
        setnz   al
        add     eax, eax                ; the code 0 or 2
        ADD_PRODUCT 4*i + k
%assign i i + 1
%endrep
%else
        mov     r10d, eax
        and     eax, 15
        ADD_PRODUCT k
        mov     eax, r10d
        shr     eax, 4
        ADD_PRODUCT 16 + k
%endif
%assign k k + 1
%endrep
        add     rcx, 64
        add     rsi, 4
        dec     r9d
        jnz     .step
        sub     rsi, 4 * STEPS + 2      ; the block's first byte
        mov     [rsp - 4], r8d
        fild    dword [rsp - 4]
        movzx   eax, word [rbx]
        call    push_half
        movzx   eax, word [rsi]
        call    push_half
        fmulp
        fmulp
        faddp
        add     rbx, BLOCK_SCALES
        add     rsi, X_BYTES
        dec     rbp
        jnz     .block
.store:
        mov     rax, [rdi + ARG_BIAS]
        test    rax, rax
        jz      .no_bias
        fadd    dword [rax + 4*r15]
.no_bias:
        mov     rax, r14
        imul    rax, [rdi + ARG_LDY]
        add     rax, r15
        mov     rdx, [rdi + ARG_Y]
        fstp    dword [rdx + 4*rax]
        inc     r15
        jmp     .row
.next_token:
        inc     r14
        jmp     .token
.done:
        add     rsp, 8
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
        ret

section .note.GNU-stack noalloc noexec nowrite progbits
