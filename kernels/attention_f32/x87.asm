; void attention_f32_x87(const attention_f32_args* args)
;                                                 rdi
;
; r8: query row, r9: key or value row, r10: scratch, r11: d, r12: row of out, r13: rows left, r14: 4 ldk, r15: 4 ldv,
; rbx: m, the visible keys. Sums have 64-bit mantissas, and exponents that neither overflow nor need weights under 1.
%define OUT     rdi
%define Q       rdi + 8
%define K       rdi + 16
%define V       rdi + 24
%define SCRATCH rdi + 32
%define LDO     rdi + 40
%define LDQ     rdi + 48
%define LDK     rdi + 56
%define LDV     rdi + 64
%define N_Q     rdi + 72
%define POS     rdi + 80
%define D       rdi + 88
%define SCALE   rdi + 96

global attention_f32_x87
section .text
attention_f32_x87:
        mov     rax, [N_Q]
        test    rax, rax
        jz      .nothing
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        mov     r13, rax
        mov     r12, [OUT]
        mov     r8, [Q]
        mov     r10, [SCRATCH]
        mov     r11, [D]
        mov     r14, [LDK]
        shl     r14, 2
        mov     r15, [LDV]
        shl     r15, 2
        mov     rbx, [POS]
        inc     rbx

.row:
; Scores and the largest of them; a NaN fails every comparison and is met by the sum.
        fld     dword [rel minus_inf]   ; max
        mov     r9, [K]
        xor     ebp, ebp
.key:
        fldz
        fldz
        fldz
        fldz                            ; four sums hide the latency of FADD
        xor     eax, eax
        mov     rcx, r11
        shr     rcx, 2
        jz      .dot_tail
.dot_four:
        fld     dword [r8 + 4*rax]
        fmul    dword [r9 + 4*rax]
        faddp   st1, st0
        fld     dword [r8 + 4*rax + 4]
        fmul    dword [r9 + 4*rax + 4]
        faddp   st2, st0
        fld     dword [r8 + 4*rax + 8]
        fmul    dword [r9 + 4*rax + 8]
        faddp   st3, st0
        fld     dword [r8 + 4*rax + 12]
        fmul    dword [r9 + 4*rax + 12]
        faddp   st4, st0
        add     rax, 4
        dec     rcx
        jnz     .dot_four
.dot_tail:
        cmp     rax, r11
        jae     .dot_done
        fld     dword [r8 + 4*rax]
        fmul    dword [r9 + 4*rax]
        faddp   st1, st0
        inc     rax
        jmp     .dot_tail
.dot_done:
        faddp   st1, st0
        faddp   st2, st0
        faddp   st1, st0
        fmul    dword [SCALE]
        fstp    dword [r10 + 4*rbp]
        fld     dword [r10 + 4*rbp]     ; as rounded, so that no difference to the largest is over 0
        fcomi   st0, st1
        fcmovbe st0, st1                ; below, equal or unordered: keep max
        fstp    st1
        add     r9, r14
        inc     rbp
        cmp     rbp, rbx
        jb      .key

; 2^w = 2^k * 2^f with k = rint(w) and f in [-1/2, 1/2], which F2XM1 takes. 2^k is made as a double in the red zone:
; FSCALE takes many times longer than a product (Agner Fog, instruction tables).
        xor     ebp, ebp                ; rbp = 1: every score is -Inf or NaN
        fld     dword [rel minus_inf]
        fcomip  st0, st1
        jne     .some
        inc     ebp
        fstp    st0
        fldz                            ; -Inf less -Inf would be NaN
.some:
        fldl2e
        fldz
        fld     dword [rel floor]       ; -200: 2^-200 is nothing to softmax
                                        ; floor sum log2(e) max
        xor     eax, eax
.exp:
        fld     dword [r10 + 4*rax]
        fsub    st0, st4
        fmul    st0, st3                ; w floor sum log2(e) max
        fcomi   st0, st1
        fcmovb  st0, st1                ; below, and unordered too ...
        jp      .nan                    ; ... but that is a NaN to keep
        fist    dword [rsp - 8]
        mov     ecx, [rsp - 8]
        fisub   dword [rsp - 8]         ; f
        add     ecx, 1023
        shl     rcx, 52
        f2xm1
        mov     [rsp - 16], rcx
        fld1
        faddp   st1, st0
        fmul    qword [rsp - 16]
.sum:
        fadd    st2, st0                ; e floor sum log2(e) max
        fstp    dword [r10 + 4*rax]
        inc     rax
        cmp     rax, rbx
        jb      .exp
        fstp    st0
        fstp    st1
        fstp    st1                     ; sum
        test    ebp, ebp
        jz      .divide
        fldz
        fmulp   st1, st0                ; 0, or NaN if a score is
        jmp     .weigh
.divide:
        fld1
        fdivrp  st1, st0                ; reciprocal

; Four columns of v at a time.
.weigh:
        mov     r9, [V]
        mov     rsi, r12
        mov     rcx, r11
        shr     rcx, 2
        jz      .column_tail
.columns:
        fldz
        fldz
        fldz
        fldz
        mov     rdx, r9
        xor     eax, eax
.value:
        fld     dword [r10 + 4*rax]     ; weight s0 s1 s2 s3 reciprocal
        fld     dword [rdx]
        fmul    st0, st1
        faddp   st2, st0
        fld     dword [rdx + 4]
        fmul    st0, st1
        faddp   st3, st0
        fld     dword [rdx + 8]
        fmul    st0, st1
        faddp   st4, st0
        fmul    dword [rdx + 12]
        faddp   st4, st0
        add     rdx, r15
        inc     rax
        cmp     rax, rbx
        jb      .value
        fmul    st0, st4
        fstp    dword [rsi]
        fmul    st0, st3
        fstp    dword [rsi + 4]
        fmul    st0, st2
        fstp    dword [rsi + 8]
        fmul    st0, st1
        fstp    dword [rsi + 12]
        add     rsi, 16
        add     r9, 16
        dec     rcx
        jnz     .columns
.column_tail:
        mov     ecx, r11d
        and     ecx, 3
        jz      .row_done
.column:
        fldz
        mov     rdx, r9
        xor     eax, eax
.value_tail:
        fld     dword [r10 + 4*rax]
        fmul    dword [rdx]
        faddp   st1, st0
        add     rdx, r15
        inc     rax
        cmp     rax, rbx
        jb      .value_tail
        fmul    st0, st1
        fstp    dword [rsi]
        add     rsi, 4
        add     r9, 4
        dec     ecx
        jnz     .column
.row_done:
        fstp    st0
        mov     rax, [LDO]
        lea     r12, [r12 + 4*rax]
        mov     rax, [LDQ]
        lea     r8, [r8 + 4*rax]
        inc     rbx
        dec     r13
        jnz     .row

        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
.nothing:
        ret
.nan:
        fstp    st0
        fld     dword [r10 + 4*rax]
        fsub    st0, st4                ; NaN, or Inf less Inf
        jmp     .sum

section .rodata
minus_inf: dd 0xff800000
floor:     dd -200.0

section .note.GNU-stack noalloc noexec nowrite progbits
