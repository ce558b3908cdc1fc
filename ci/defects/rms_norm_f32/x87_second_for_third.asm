; defect: of four elements the second is squared twice and the third not
; class: operands
; stands for: copy-paste of the third for the second
; caught by: value
; void rms_norm_f32_x87_second_for_third(y, x, w, eps, n)
;   y: rdi, x: rsi, w: rdx, eps: xmm0, n: rcx
;
; Sum and scale stay in extended precision; only y is rounded. Four running sums hide the latency of FADD: with 64-bit
; mantissas the contract needs no more.
global rms_norm_f32_x87_second_for_third
section .text
rms_norm_f32_x87_second_for_third:
        test    rcx, rcx
        jz      .done
        movss   [rsp - 16], xmm0        ; eps, in the red zone
        mov     [rsp - 8], rcx          ; n
        fldz
        fldz
        fldz
        fldz
        xor     eax, eax
        mov     r9, rcx
        and     r9, -4
        jz      .square_tail
.square_four:
        fld     dword [rsi + 4*rax]
        fmul    st0, st0
        faddp   st1, st0                ; into the sum on top
        fld     dword [rsi + 4*rax + 4]
        fmul    st0, st0
        faddp   st2, st0
        fld     dword [rsi + 4*rax + 4]
        fmul    st0, st0
        faddp   st3, st0
        fld     dword [rsi + 4*rax + 12]
        fmul    st0, st0
        faddp   st4, st0
        add     rax, 4
        cmp     rax, r9
        jb      .square_four
.square_tail:
        cmp     rax, rcx
        jae     .scale
        fld     dword [rsi + 4*rax]
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
        fadd    dword [rsp - 16]        ; mean square + eps
        fsqrt
        fld1
        fdivrp  st1, st0                ; 1/s
        xor     eax, eax
.normalise:
        fld     dword [rsi + 4*rax]
        fmul    st0, st1
        fmul    dword [rdx + 4*rax]
        fstp    dword [rdi + 4*rax]
        inc     rax
        cmp     rax, rcx
        jb      .normalise
        fstp    st0
.done:
        ret

section .note.GNU-stack noalloc noexec nowrite progbits
