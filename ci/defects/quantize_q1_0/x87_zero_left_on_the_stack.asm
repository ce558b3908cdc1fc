; defect: the zero that values are compared with is not popped
; class: state
; stands for: a constant forgotten on the register stack: overflow after eight blocks
; caught by: x87-stack value
; void quantize_q1_0_x87_zero_left_on_the_stack(dst, x, n)
;   dst: rdi, x: rsi, n: rdx
;
; FUCOMI sets CF where x < 0 or NaN; ADC shifts it into eax, so the 32 values of a word are taken last to first.
; Four running sums hide the latency of FADD.
default rel
global quantize_q1_0_x87_zero_left_on_the_stack
section .text
quantize_q1_0_x87_zero_left_on_the_stack:
        shr     rdx, 7                  ; blocks
        jz      .done
.block:
        fldz
        fldz
        fldz
        fldz
        fldz                            ; st0..st3: sums, st4: 0
        xor     r8d, r8d                ; word
.word:
        mov     ecx, 28
.four:
%assign i 3
%rep 4
        fld     dword [rsi + 4*rcx + 4*i]
        fucomi  st0, st5
        adc     eax, eax
        fabs
%assign sum 4 - i
        faddp   st %+ sum, st0
%assign i i - 1
%endrep
        sub     ecx, 4
        jns     .four
        not     eax
        mov     [rdi + 2 + 4*r8], eax
        add     rsi, 128
        inc     r8d
        cmp     r8d, 4
        jb      .word
        faddp   st1, st0
        faddp   st1, st0
        faddp   st1, st0
        fmul    dword [scale]
        fstp    dword [rsp - 4]         ; the mean
        mov     eax, [rsp - 4]
        and     eax, 0x7fffffff         ; a NaN may be negative

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
        add     rdi, 18
        dec     rdx
        jnz     .block
.done:
        ret

.half_large:
        mov     ecx, 0x7e00             ; NaN
        cmp     eax, 0x7f800000
        mov     eax, 0x7c00             ; Inf
        cmova   eax, ecx
        jmp     .half_store
.half_subnormal:
        fld     dword [rsp - 4]
        fadd    dword [half]            ; a step of 0.5 is 2^-24, that of subnormal fp16: FSTP rounds
        fstp    dword [rsp - 4]
        mov     eax, [rsp - 4]
        sub     eax, 0x3f000000         ; 0.5
        jmp     .half_store

section .rodata
        align   4
scale:  dd      0.0078125               ; 1/128
half:   dd      0.5

section .note.GNU-stack noalloc noexec nowrite progbits
