; float dot_f32_x87(const float* x, const float* y, size_t n)
;                   rdi             rsi             rdx        -> xmm0
;
; Four running sums on the register stack hide the latency of FADD; 64-bit mantissas make 16 partial sums needless:
; the contract's bound is 2^40 times wider than the error here.
global dot_f32_x87
section .text
dot_f32_x87:
        fldz
        fldz
        fldz
        fldz                            ; st0..st3: sums
        mov     rcx, rdx
        shr     rcx, 2
        jz      .tail
.four:
        fld     dword [rdi]
        fmul    dword [rsi]
        faddp   st1, st0                ; into the sum on top
        fld     dword [rdi + 4]
        fmul    dword [rsi + 4]
        faddp   st2, st0
        fld     dword [rdi + 8]
        fmul    dword [rsi + 8]
        faddp   st3, st0
        fld     dword [rdi + 12]
        fmul    dword [rsi + 12]
        faddp   st4, st0
        add     rdi, 16
        add     rsi, 16
        dec     rcx
        jnz     .four
.tail:
        and     edx, 3
        jz      .reduce
.one:
        fld     dword [rdi]
        fmul    dword [rsi]
        faddp   st1, st0
        add     rdi, 4
        add     rsi, 4
        dec     edx
        jnz     .one
.reduce:
        faddp   st1, st0
        faddp   st1, st0
        faddp   st1, st0
        fstp    dword [rsp - 4]         ; the red zone
        movss   xmm0, [rsp - 4]
        ret

section .note.GNU-stack noalloc noexec nowrite progbits
