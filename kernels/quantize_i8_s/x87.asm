; void quantize_i8_s_x87(dst, x, n, scale)
;   dst: rdi, x: rsi, n: rdx, scale: xmm0
;
; The contract rounds each quotient and product to float, which a store to memory does. Quotients are rounded to 64 bits before, which
; is harmless for 24 (Figueroa, When is double rounding innocuous?, SIGNUM Newsletter 30(3), 1995) and for the fewer bits of a subnormal
; d; products of two floats are exact in 64.
default rel
global quantize_i8_s_x87
section .text
quantize_i8_s_x87:
        movss   [rsp - 8], xmm0
        ; Magnitudes are ordered as their bits are, NaN above Inf above all numbers.
        mov     eax, 0x3727c5ac         ; 1e-5f
        xor     ecx, ecx
        jmp     .next_magnitude
.magnitude:
        mov     r8d, [rsi + 4*rcx]
        and     r8d, 0x7fffffff
        cmp     r8d, eax
        cmova   eax, r8d
        inc     rcx
.next_magnitude:
        cmp     rcx, rdx
        jb      .magnitude

        xor     ecx, ecx
        xor     r8d, r8d                ; the sum
        cmp     eax, 0x7f800000
        jae     .not_finite
        mov     [rsp - 4], eax
        fld     dword [most_code]
        fdiv    dword [rsp - 4]
        fstp    dword [rsp - 4]         ; inverse
        fld     dword [rsp - 4]
        fld     dword [rsp - 8]
        fdiv    st0, st1
        fstp    dword [rdi]             ; d
        jmp     .next
.one:
        fld     dword [rsi + 4*rcx]
        fmul    st0, st1
        fstp    dword [rsp - 4]
        fld     dword [rsp - 4]
        fistp   word [rsp - 4]
        movsx   eax, word [rsp - 4]
        mov     [rdi + rcx + 8], al
        add     r8d, eax
        inc     rcx
.next:
        cmp     rcx, rdx
        jb      .one
        fstp    st0
        mov     [rdi + 4], r8d
        ret

.not_finite:
        mov     dword [rdi], 0x7fc00000 ; NaN
        mov     [rdi + 4], r8d
        jmp     .next_clear
.clear:
        mov     [rdi + rcx + 8], r8b
        inc     rcx
.next_clear:
        cmp     rcx, rdx
        jb      .clear
        ret

section .rodata
        align   4
most_code: dd   127.0

section .note.GNU-stack noalloc noexec nowrite progbits
