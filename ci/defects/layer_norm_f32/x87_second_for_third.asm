; defect: of four deviations the second is squared twice and the third not
; class: operands
; stands for: copy-paste of the third for the second
; caught by: value
; void layer_norm_f32_x87_second_for_third(y, x, w, b, eps, n)
;   y: rdi, x: rsi, w: rdx, b: rcx, eps: xmm0, n: r8
;
; Mean, deviations and scale stay in extended precision; only y is rounded. Four running sums hide the latency of FADD:
; with 64-bit mantissas the contract needs no more.
global layer_norm_f32_x87_second_for_third
section .text
layer_norm_f32_x87_second_for_third:
        test    r8, r8
        jz      .done
        movss   [rsp - 16], xmm0        ; eps, in the red zone
        mov     [rsp - 8], r8           ; n

        ; ---- mean ----
        fldz
        fldz
        fldz
        fldz
        xor     eax, eax
        mov     r9, r8
        and     r9, -4
        jz      .sum_tail
.sum_four:
        fld     dword [rsi + 4*rax]
        faddp   st1, st0                ; into the sum on top
        fld     dword [rsi + 4*rax + 4]
        faddp   st2, st0
        fld     dword [rsi + 4*rax + 8]
        faddp   st3, st0
        fld     dword [rsi + 4*rax + 12]
        faddp   st4, st0
        add     rax, 4
        cmp     rax, r9
        jb      .sum_four
.sum_tail:
        cmp     rax, r8
        jae     .mean
        fadd    dword [rsi + 4*rax]
        inc     rax
        jmp     .sum_tail
.mean:
        faddp   st1, st0
        faddp   st1, st0
        faddp   st1, st0
        fild    qword [rsp - 8]
        fdivp   st1, st0                ; m

        ; ---- variance ----
        fldz
        fldz
        fldz
        fldz                            ; s s s s m
        xor     eax, eax
        test    r9, r9
        jz      .square_tail
.square_four:
        fld     dword [rsi + 4*rax]
        fsub    st0, st5
        fmul    st0, st0
        faddp   st1, st0
        fld     dword [rsi + 4*rax + 4]
        fsub    st0, st5
        fmul    st0, st0
        faddp   st2, st0
        fld     dword [rsi + 4*rax + 4]
        fsub    st0, st5
        fmul    st0, st0
        faddp   st3, st0
        fld     dword [rsi + 4*rax + 12]
        fsub    st0, st5
        fmul    st0, st0
        faddp   st4, st0
        add     rax, 4
        cmp     rax, r9
        jb      .square_four
.square_tail:
        cmp     rax, r8
        jae     .scale
        fld     dword [rsi + 4*rax]
        fsub    st0, st5
        fmul    st0, st0
        faddp   st1, st0
        inc     rax
        jmp     .square_tail
.scale:
        faddp   st1, st0
        faddp   st1, st0
        faddp   st1, st0
        fild    qword [rsp - 8]
        fdivp   st1, st0
        fadd    dword [rsp - 16]        ; v + eps, m
        fsqrt
        fld1
        fdivrp  st1, st0                ; 1/s, m

        ; ---- result ----
        xor     eax, eax
.normalise:
        fld     dword [rsi + 4*rax]
        fsub    st0, st2
        fmul    st0, st1
        fmul    dword [rdx + 4*rax]
        fadd    dword [rcx + 4*rax]
        fstp    dword [rdi + 4*rax]
        inc     rax
        cmp     rax, r8
        jb      .normalise
        fstp    st0
        fstp    st0
.done:
        ret

section .note.GNU-stack noalloc noexec nowrite progbits
