; defect: 2^f is not multiplied by 2^k
; class: listing
; stands for: an exponential without its final scaling
; caught by: value
; void softmax_f32_x87_exponential_without_its_scaling(float* y, const float* x, float scale, size_t n)
;                           rdi             rsi        xmm0        rdx
;
; 2^w = 2^k * 2^f with k = rint(w) and f in [-1/2, 1/2], which F2XM1 takes. 2^k is made as a double in the red zone:
; FSCALE takes many times longer than a product (Agner Fog, instruction tables).
global softmax_f32_x87_exponential_without_its_scaling
section .text
softmax_f32_x87_exponential_without_its_scaling:
        test    rdx, rdx
        jz      .done
        movss   [rsp - 4], xmm0

; The largest x; a NaN fails every comparison and is met by the sum.
        fld     dword [rel minus_inf]
        xor     eax, eax
.max:
        fld     dword [rsi + 4*rax]     ; x max
        fcomi   st0, st1
        fcmovbe st0, st1                ; below, equal or unordered: keep max
        fstp    st1
        inc     rax
        cmp     rax, rdx
        jb      .max
        xor     r8d, r8d                ; r8 = 1: every x is -Inf or NaN
        fld     dword [rel minus_inf]
        fcomip  st0, st1
        jne     .some
        inc     r8d
        fstp    st0
        fldz                            ; -Inf less -Inf would be NaN
.some:
        fldl2e
        fmul    dword [rsp - 4]         ; scale log2(e): times x less max it is w
        fldz
        fld     dword [rel floor]       ; -200: 2^-200 is nothing to softmax
                                        ; floor sum step max
        xor     eax, eax
.exp:
        fld     dword [rsi + 4*rax]
        fsub    st0, st4                ; exact to 64 bits
        fmul    st0, st3                ; w floor sum step max
        fcomi   st0, st1
        fcmovb  st0, st1                ; below, and unordered too ...
        jp      .nan                    ; ... but that is a NaN to keep
.finite:
        fist    dword [rsp - 8]
        mov     ecx, [rsp - 8]
        fisub   dword [rsp - 8]         ; f
        add     ecx, 1023
        shl     rcx, 52
        f2xm1
        mov     [rsp - 16], rcx
        fld1
        faddp   st1, st0
.sum:
        fadd    st2, st0                ; e floor sum step max
        fstp    dword [rdi + 4*rax]
        inc     rax
        cmp     rax, rdx
        jb      .exp
        fstp    st0
        fstp    st1
        fstp    st1                     ; sum
        test    r8d, r8d
        jz      .divide
        fldz
        fmulp   st1, st0                ; 0, or NaN if an x is
        jmp     .scale
.divide:
        fld1
        fdivrp  st1, st0
.scale:
        xor     eax, eax
.product:
        fld     dword [rdi + 4*rax]
        fmul    st0, st1
        fstp    dword [rdi + 4*rax]
        inc     rax
        cmp     rax, rdx
        jb      .product
        fstp    st0
.done:
        ret
.nan:
        fstp    st0
        fld     dword [rsi + 4*rax]
        fsub    st0, st4                ; NaN, or Inf less Inf
        jmp     .sum

section .rodata
minus_inf: dd 0xff800000
floor:     dd -200.0

section .note.GNU-stack noalloc noexec nowrite progbits
