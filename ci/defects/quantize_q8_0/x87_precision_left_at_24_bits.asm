; defect: the control word is not restored where the first block is zero or not finite
; class: state
; stands for: an early exit past the clean-up
; caught by: x87-control
; void quantize_q8_0_x87_precision_left_at_24_bits(dst, x, n)
;   dst: rdi, x: rsi, n: rdx
;
; The contract rounds each quotient and product to float. The control word's precision field does that: 24-bit
; mantissas. The exponent keeps its 15 bits, which no result shows: 127/amax is stored as a float to see its overflow
; and is never subnormal (amax <= FLT_MAX); a subnormal amax/127 is 0 in fp16; a product that small rounds to 0.
default rel
global quantize_q8_0_x87_precision_left_at_24_bits
section .text
quantize_q8_0_x87_precision_left_at_24_bits:
        shr     rdx, 5                  ; blocks
        jz      .done
        fnstcw  [rsp - 2]
        fldcw   [single]
.block:
        ; Magnitudes are ordered as their bits are, NaN above Inf above all numbers.
        xor     eax, eax
        mov     ecx, 28
.amax:
        mov     r8d, [rsi + 4*rcx]
        mov     r9d, [rsi + 4*rcx + 4]
        mov     r10d, [rsi + 4*rcx + 8]
        mov     r11d, [rsi + 4*rcx + 12]
        and     r8d, 0x7fffffff
        and     r9d, 0x7fffffff
        and     r10d, 0x7fffffff
        and     r11d, 0x7fffffff
        cmp     r8d, r9d
        cmovb   r8d, r9d
        cmp     r10d, r11d
        cmovb   r10d, r11d
        cmp     r8d, r10d
        cmovb   r8d, r10d
        cmp     eax, r8d
        cmovb   eax, r8d
        sub     ecx, 4
        jns     .amax

        cmp     eax, 0x7f800000
        jae     .not_finite
        mov     [rsp - 8], eax          ; amax
        fld     dword [f127]
        fdiv    dword [rsp - 8]
        fst     dword [rsp - 12]        ; 127/amax
        cmp     dword [rsp - 12], 0x7f800000
        je      .zero
        fld     dword [rsp - 8]
        fdiv    dword [f127]
        fstp    dword [rsp - 8]         ; amax/127
        mov     eax, [rsp - 8]

        ; fp16 of the float whose bits are in eax, ties to even (F. Giesen, float_to_half_fast3_rtne,
        ; https://gist.github.com/rygorous/2156668)
        cmp     eax, 0x47800000         ; 2^16
        jae     .half_large
        cmp     eax, 0x38800000         ; 2^-14, the smallest normal fp16
        jb      .half_subnormal
        mov     ecx, eax
        shr     ecx, 13
        and     ecx, 1                  ; one more where the last bit kept is odd
        lea     eax, [rax + rcx - (112 << 23) + 0xfff]  ; another bias, 15 for 127; half a step less one
        shr     eax, 13
.half_store:
        mov     [rdi], ax

%assign i 0
%rep 31
        fld     dword [rsi + 4*i]
        fmul    st0, st1
        fistp   word [rdi + 2 + i]      ; its high byte is overwritten by the next value
%assign i i + 1
%endrep
        fmul    dword [rsi + 4*31]
        fistp   word [rsp - 4]
        mov     al, [rsp - 4]
        mov     [rdi + 33], al
.next:
        add     rsi, 128
        add     rdi, 34
        dec     rdx
        jnz     .block
        fldcw   [rsp - 2]
.done:
        ret

.half_large:
        mov     eax, 0x7c00             ; Inf
        jmp     .half_store
.half_subnormal:
        fld     dword [rsp - 8]
        fadd    dword [half]            ; a step of 0.5 is 2^-24, that of subnormal fp16: the addition rounds
        fstp    dword [rsp - 8]
        mov     eax, [rsp - 8]
        sub     eax, 0x3f000000         ; 0.5
        jmp     .half_store

.zero:
        fstp    st0
        xor     eax, eax
        jmp     .empty
.not_finite:
        mov     eax, 0x7e00             ; NaN
.empty:
        mov     [rdi], ax
        xor     eax, eax
        mov     [rdi + 2], rax
        mov     [rdi + 10], rax
        mov     [rdi + 18], rax
        mov     [rdi + 26], rax
        add     rsi, 128
        add     rdi, 34
        dec     rdx
        jnz     .block
        ret

section .rodata
        align   4
f127:   dd      127.0
half:   dd      0.5
single: dw      0x007f                  ; 24-bit mantissas, nearest even, exceptions masked

section .note.GNU-stack noalloc noexec nowrite progbits
