; void join_attention_f32_x87(const join_attention_f32_args* args)
;                                                            rdi
;
; The weights, 2^64 times as large, lie as doubles on the stack; the factor is on the x87 stack meanwhile.
%define OUT     rdi
%define PARTS   rdi + 8
%define STATS   rdi + 16
%define LDP     rdi + 24
%define LDS     rdi + 32
%define N_PARTS rdi + 40
%define N       rdi + 48

global join_attention_f32_x87
section .text
join_attention_f32_x87:
        sub     rsp, 64 * 8 + 8
        mov     r8, [N_PARTS]
        mov     r9, [LDS]
        shl     r9, 2
        mov     r10, [LDP]
        shl     r10, 2
; The largest.
        fld     dword [rel minus_inf]
        mov     rsi, [STATS]
        mov     rcx, r8
.largest:
        fld     dword [rsi]
        fcomi   st0, st1
        fcmovbe st0, st1
        fstp    st1
        add     rsi, r9
        dec     rcx
        jnz     .largest
        fld     dword [rel minus_inf]
        fcomip  st0, st1
        jne     .some
        fstp    st0
        fldz                            ; -Inf less -Inf would be NaN
.some:
        fldz                            ; sum largest
        mov     rsi, [STATS]
        xor     ecx, ecx
.weight:
        fld     dword [rsi]
        fsub    st0, st2
        fldl2e
        fmulp   st1, st0                ; w sum largest
        fld     dword [rel floor]
        fcomip  st0, st1
        jp      .product                ; a NaN stays
        ja      .nothing                ; -Inf too
        fld     st0
        frndint
        fsub    st1, st0                ; k f sum largest
        fxch    st1
        f2xm1
        fld1
        faddp   st1, st0
        fscale
        fstp    st1                     ; 2^w sum largest
        jmp     .product
.nothing:
        fstp    st0
        fldz
.product:
        fmul    dword [rsi + 4]
        fst     qword [rsp + 8*rcx]
        faddp   st1, st0
        add     rsi, r9
        inc     rcx
        cmp     rcx, r8
        jb      .weight
        fstp    st1                     ; sum
        fldz
        fcomip  st0, st1
        jp      .divide
        je      .columns                ; all weights are 0: so is the factor
.divide:
        fld1
        fdivrp  st1, st0
.columns:
        xor     eax, eax
        cmp     rax, [N]
        jae     .end
.column:
        fldz
        mov     rsi, [PARTS]
        lea     rsi, [rsi + 4*rax]
        xor     ecx, ecx
.part:
        fld     dword [rsi]
        fmul    qword [rsp + 8*rcx]
        faddp   st1, st0
        add     rsi, r10
        inc     rcx
        cmp     rcx, r8
        jb      .part
        fmul    st0, st1
        mov     rdx, [OUT]
        fstp    dword [rdx + 4*rax]
        inc     rax
        cmp     rax, [N]
        jb      .column
.end:
        fstp    st0
        add     rsp, 64 * 8 + 8
        ret

section .rodata
minus_inf: dd 0xff800000
floor:     dd -1000.0

section .note.GNU-stack noalloc noexec nowrite progbits
