; void gelu_erf_f32_x87(float* y, const float* x, size_t n)
;                       rdi             rsi       rdx
;
; x Phi(-|x|) where x < 0, else x (1 - Phi(-|x|)). Phi(-t) = s P(s - m) 2^u, s = 1 / (1 + t / 3), u = -log2(e) t^2 / 2; P is that of
; kernels/shared/scalar_activations.h, whose error is 2^-26.
default rel
global gelu_erf_f32_x87

section .text
gelu_erf_f32_x87:
        test    rdx, rdx
        jz      .done
        xor     ecx, ecx
        lea     r9, [polynomial]
.loop:
        mov     r8d, [rsi + 4*rcx]
        and     r8d, 0x7fffffff
        cmp     r8d, 0x41800000         ; |x| >= 16, Inf or NaN
        jae     .special
        fld     dword [rsi + 4*rcx]
        fld     st0
        fabs                            ; t x
        fld     st0
        fmul    st0, st0
        fldl2e
        fmulp   st1, st0
        fmul    dword [minus_half]      ; u t x
        fld     st0
        frndint
        fsub    st1, st0
        fxch    st1                     ; f n t x, |f| <= 1/2: in the domain of F2XM1
        f2xm1
        fld1
        faddp   st1, st0
        fscale
        fstp    st1                     ; 2^u t x
        fxch    st1
        fmul    dword [third]
        fld1
        faddp   st1, st0
        fld1
        fdivrp  st1, st0                ; s 2^u x
        fmul    st1, st0
        fsub    dword [middle]          ; z, s 2^u, x
        fld     dword [r9 + 40]
        mov     eax, 9
.horner:
        fmul    st0, st1
        fadd    dword [r9 + 4*rax]
        dec     eax
        jns     .horner                 ; P z, s 2^u, x
        fmulp   st2, st0
        fstp    st0                     ; Phi(-t) x
        cmp     dword [rsi + 4*rcx], 0
        jl      .below
        fld1
        fsubrp  st1, st0                ; 1 - Phi(-t)
.below:
        fmulp   st1, st0
        fstp    dword [rdi + 4*rcx]
.next:
        inc     rcx
        cmp     rcx, rdx
        jb      .loop
.done:
        ret
.special:                               ; x and NaN as they are; -0 for a negative number
        fld     dword [rsi + 4*rcx]
        cmp     r8d, 0x7f800000
        ja      .store
        cmp     dword [rsi + 4*rcx], 0
        jge     .store
        fstp    st0
        fldz
        fchs
.store:
        fstp    dword [rdi + 4*rcx]
        jmp     .next

section .rodata
        align   4
polynomial:
        dd      0.27352386713027954
        dd      0.39314892888069153
        dd      0.3354628086090088
        dd      0.10259345173835754
        dd      -0.08368575572967529
        dd      -0.05777784064412117
        dd      0.042599134147167206
        dd      0.025822192430496216
        dd      -0.03188176080584526
        dd      -0.006914510857313871
        dd      0.018598999828100204
third:  dd      0x3eaaaaab              ; 1 / 3 as a float, as P was found with
middle: dd      0.5833333134651184
minus_half: dd  -0.5

section .note.GNU-stack noalloc noexec nowrite progbits
