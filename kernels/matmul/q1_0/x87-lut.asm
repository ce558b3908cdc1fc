; Q1_0 weights times Q8_0 activations: the integers by lookup, the scales on the x87 stack.
;
; size_t matmul_q1_0_pack_x87_lut(packed, w, rows, cols): rdi, rsi, rdx, rcx -> rax
;   Row-major as w; each block of 18 bytes becomes 20: d1 as a float, 16 bytes of bits.
; void matmul_q1_0_x87_lut(const matmul_args*): rdi
;   Of each token, scratch holds for every four columns the 16 sums of +-q as words (8 * cols bytes), then d8 of each
;   block as a float.
global matmul_q1_0_pack_x87_lut
global matmul_q1_0_x87_lut

; struct matmul_args
%define ARG_Y         0
%define ARG_PACKED    8
%define ARG_X         16
%define ARG_BIAS      24
%define ARG_SCRATCH   32
%define ARG_LDY       40
%define ARG_COLS      56
%define ARG_TOKENS    64
%define ARG_ROW_BEGIN 72
%define ARG_ROW_END   80

section .rodata
align 4
two_to_minus_24: dd 0x33800000

section .text

; eax: fp16 -> the bits of the float. Changes r10 and r11.
half_to_float:
        mov     r10d, eax
        and     r10d, 0x8000
        shl     r10d, 16
        and     eax, 0x7fff
        mov     r11d, eax
        shl     eax, 13
        cmp     r11d, 0x7c00
        jae     .inf_or_nan
        cmp     r11d, 0x0400
        jb      .subnormal
        add     eax, 112 << 23          ; the biases: 127 - 15
        or      eax, r10d
        ret
.inf_or_nan:
        or      eax, 0x7f800000
        or      eax, r10d
        ret
.subnormal:
        mov     [rsp - 4], r11d
        fild    dword [rsp - 4]
        fmul    dword [rel two_to_minus_24]
        fstp    dword [rsp - 4]
        mov     eax, [rsp - 4]
        or      eax, r10d
        ret

matmul_q1_0_pack_x87_lut:
        shr     rcx, 7
        imul    rdx, rcx                ; blocks
        lea     r9, [rdx + 4*rdx]
        shl     r9, 2                   ; 20 bytes each
        test    rdi, rdi
        jz      .done
        test    rdx, rdx
        jz      .done
        push    rbx                     ; a multiple of 16 at calls
.block:
        movzx   eax, word [rsi]
        call    half_to_float
        mov     [rdi], eax
        mov     rax, [rsi + 2]
        mov     rcx, [rsi + 10]
        mov     [rdi + 4], rax
        mov     [rdi + 12], rcx
        add     rsi, 18
        add     rdi, 20
        dec     rdx
        jnz     .block
        pop     rbx
.done:
        mov     rax, r9
        ret

matmul_q1_0_x87_lut:
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        sub     rsp, 8                  ; a multiple of 16 at calls
        mov     r15, [rdi + ARG_TOKENS]
        mov     rbx, [rdi + ARG_COLS]
        mov     r14, [rdi + ARG_X]
        mov     r13, [rdi + ARG_Y]      ; of the token
        test    r15, r15
        jz      .done

.token:
        ; tables: rsi = words, rbp = d8
        mov     rsi, [rdi + ARG_SCRATCH]
        lea     rbp, [rsi + 8*rbx]
        mov     r12, rbx
        shr     r12, 5                  ; blocks
        jz      .rows
.table_block:
        movzx   eax, word [r14]
        call    half_to_float
        mov     [rbp], eax
        add     rbp, 4
        add     r14, 2
        mov     r8d, 8
.table:
        movsx   eax, byte [r14]
        movsx   edx, byte [r14 + 1]
        add     eax, edx
        movsx   edx, byte [r14 + 2]
        add     eax, edx
        movsx   edx, byte [r14 + 3]
        add     eax, edx
        neg     eax
        mov     [rsi], ax               ; no bit set
        mov     ecx, 2                  ; bytes filled: bit k copies what is there, 2 q_k higher
.bit:
        movsx   r9d, byte [r14]
        inc     r14
        add     r9d, r9d
        lea     r10, [rsi + rcx]
        xor     r11d, r11d
.copy:
        movzx   eax, word [rsi + r11]
        add     eax, r9d
        mov     [r10 + r11], ax
        add     r11d, 2
        cmp     r11d, ecx
        jb      .copy
        add     ecx, ecx
        cmp     ecx, 32
        jb      .bit
        add     rsi, 32
        dec     r8d
        jnz     .table
        dec     r12
        jnz     .table_block

.rows:
        ; r12 = row, rsi = its blocks
        mov     r12, [rdi + ARG_ROW_BEGIN]
        mov     rax, rbx
        shr     rax, 7
        imul    rax, r12
        lea     rax, [rax + 4*rax]
        shl     rax, 2
        mov     rsi, [rdi + ARG_PACKED]
        add     rsi, rax
        jmp     .next_row
.row:
        mov     rax, [rdi + ARG_BIAS]
        test    rax, rax
        jz      .no_bias
        fld     dword [rax + 4*r12]
        jmp     .groups
.no_bias:
        fldz
.groups:
        mov     r9, [rdi + ARG_SCRATCH]
        lea     rbp, [r9 + 8*rbx]
        mov     r8, rbx
        shr     r8, 7
        jz      .store
.group:
        fldz                            ; part y
        xor     r10d, r10d
.block:
        mov     ecx, [rsi + 4 + 4*r10]
        xor     eax, eax
%assign k 0
%rep 8
        mov     edx, ecx
        and     edx, 15
        movsx   edx, word [r9 + 2*rdx + 32*k]
        add     eax, edx
        shr     ecx, 4
%assign k k+1
%endrep
        mov     [rsp - 4], eax
        fild    dword [rsp - 4]
        fmul    dword [rbp + 4*r10]     ; d8 * I part y
        faddp   st1, st0
        add     r9, 256
        inc     r10d
        cmp     r10d, 4
        jb      .block
        fmul    dword [rsi]             ; d1
        faddp   st1, st0                ; y
        add     rbp, 16
        add     rsi, 20
        dec     r8
        jnz     .group
.store:
        fstp    dword [r13 + 4*r12]
        inc     r12
.next_row:
        cmp     r12, [rdi + ARG_ROW_END]
        jb      .row

        mov     rax, [rdi + ARG_LDY]
        lea     r13, [r13 + 4*rax]
        dec     r15
        jnz     .token
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
