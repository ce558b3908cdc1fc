; defect: FSCALE leaves its exponent, which is not popped
; class: state
; stands for: x87 stack left non-empty
; caught by: x87-stack value
; void gelu_f32_x87_exponent_left_on_the_stack(float* y, const float* x, size_t n)
;                   rdi       rsi             rdx
;
; gelu(x) = x / (1 + 2^n 2^f), n = rint(u), f = u - n, u = x (a + b x^2), a = -2 sqrt(2/pi) log2(e), b = 0.044715 a.
; With 64-bit mantissas u is right to 2^-55 absolutely.
global gelu_f32_x87_exponent_left_on_the_stack

section .rodata align=16
a:      dt      -2.3022081981443248891338947704366268
        align   16
b:      dt      -0.10294323958002348741762210466007377

section .text
gelu_f32_x87_exponent_left_on_the_stack:
        test    rdx, rdx
        jz      .done
        xor     ecx, ecx
        fld1
        fld     tword [rel a]
        fld     tword [rel b]           ; b a 1
.loop:
        mov     eax, [rsi + 4*rcx]
        mov     r8d, eax
        and     r8d, 0x7fffffff
        cmp     r8d, 0x41800000         ; |x| >= 16, Inf or NaN
        jae     .special
        fld     dword [rsi + 4*rcx]     ; x b a 1
        fld     st0
        fmul    st0, st0
        fmul    st0, st2
        fadd    st0, st3
        fmul    st0, st1                ; u x b a 1
        fld     st0
        frndint                         ; n u x b a 1
        fsub    st1, st0
        fxch    st1                     ; f n x b a 1, |f| <= 1/2: in the domain of F2XM1
        f2xm1
        fadd    st0, st5
        fscale
        fadd    st0, st5                ; 1 + 2^u n x b a 1
        fdivp   st2, st0                ; n and x / (1 + 2^u)
        fxch    st1
        fstp    dword [rdi + 4*rcx]
.next:
        inc     rcx
        cmp     rcx, rdx
        jb      .loop
        fstp    st0
        fstp    st0
        fstp    st0
.done:
        ret
.special:
        cmp     r8d, 0x7f800000
        ja      .nan
        mov     r8d, 0x80000000         ; x <= -16: -0
        test    eax, eax
        cmovs   eax, r8d                ; x >= 16: x
        mov     [rdi + 4*rcx], eax
        jmp     .next
.nan:
        fld     dword [rsi + 4*rcx]
        fstp    dword [rdi + 4*rcx]
        jmp     .next

section .note.GNU-stack noalloc noexec nowrite progbits
