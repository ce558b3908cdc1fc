; void quantize_q8_k_x87(dst, x, n)
;   dst: rdi, x: rsi, n: rdx
;
; The contract rounds each quotient and product to float, which a store to memory does. Quotients are rounded to 64 bits
; before, which is harmless for 24 (Figueroa, When is double rounding innocuous?, SIGNUM Newsletter 30(3), 1995) and for the
; fewer bits of a subnormal d; products of two floats are exact in 64.
default rel
global quantize_q8_k_x87
section .text
quantize_q8_k_x87:
        shr     rdx, 8                  ; blocks
        jz      .done
        push    rbx
.block:
        ; Magnitudes are ordered as their bits are, NaN above Inf above all numbers. The first of the largest: only a larger
        ; one takes its place.
        xor     eax, eax
        xor     ecx, ecx
        xor     r9d, r9d                ; its index
.largest:
        mov     r8d, [rsi + 4*rcx]
        and     r8d, 0x7fffffff
        cmp     r8d, eax
        cmova   eax, r8d
        cmova   r9d, ecx
        inc     ecx
        cmp     ecx, 256
        jb      .largest

        cmp     eax, 0x7f800000
        jae     .not_finite
        fld     dword [minus_127]
        fdiv    dword [rsi + 4*r9]
        fstp    dword [rsp - 8]         ; inverse
        mov     eax, [rsp - 8]
        and     eax, 0x7fffffff
        cmp     eax, 0x7f800000
        je      .zero
        fld     dword [rsp - 8]
        fld1
        fdiv    st0, st1
        fstp    dword [rdi]

        xor     ecx, ecx
.sixteen:
        xor     r8d, r8d                ; the sum
        lea     r9, [rcx + 16]
.one:
        fld     dword [rsi + 4*rcx]
        fmul    st0, st1
        fstp    dword [rsp - 8]
        fld     dword [rsp - 8]
        fistp   word [rsp - 8]
        movsx   eax, word [rsp - 8]
        mov     [rdi + rcx + 4], al
        add     r8d, eax
        inc     rcx
        cmp     rcx, r9
        jb      .one
        mov     rbx, rcx
        shr     rbx, 3
        mov     [rdi + rbx + 258], r8w  ; the sum of 16 j .. 16 j + 15 at 260 + 2 j
        cmp     ecx, 256
        jb      .sixteen
        fstp    st0
.next:
        add     rsi, 1024
        add     rdi, 292
        dec     rdx
        jnz     .block
        pop     rbx
.done:
        ret

.zero:
        xor     eax, eax
        jmp     .empty
.not_finite:
        mov     eax, 0x7fc00000         ; NaN
.empty:
        mov     [rdi], eax
        xor     eax, eax
        mov     ecx, 4
.clear:
        mov     [rdi + rcx], rax
        add     ecx, 8
        cmp     ecx, 292
        jb      .clear
        jmp     .next

section .rodata
        align   4
minus_127: dd   -127.0

section .note.GNU-stack noalloc noexec nowrite progbits
