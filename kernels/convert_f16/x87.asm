; void convert_f16_x87(uint16_t* y, const float* x, size_t n)
;                      rdi          rsi             rdx
;
; The x87 has no fp16: its bits are put together as integers, and a subnormal is what an addition of 0.5 rounds to, where a step
; is 2^-24. After F. Giesen, float_to_half_fast3_rtne (https://gist.github.com/rygorous/2156668).
global convert_f16_x87
section .text
convert_f16_x87:
        test    rdx, rdx
        jz      .done
        xor     ecx, ecx
.loop:
        mov     eax, [rsi + 4*rcx]
        mov     r8d, eax
        and     eax, 0x7fffffff
        cmp     eax, 0x7f800000
        ja      .nan
        cmp     eax, 0x477ff000         ; 65520
        jae     .inf
        cmp     eax, 0x38800000         ; 2^-14
        jb      .subnormal
        mov     r9d, eax
        shr     r9d, 13
        and     r9d, 1                  ; one more where the last bit kept is odd
        lea     eax, [rax + r9 - (112 << 23) + 0xfff]  ; another bias, 15 for 127; half a step less one
        shr     eax, 13
.store:
        shr     r8d, 16
        and     r8d, 0x8000
        or      eax, r8d
        mov     [rdi + 2*rcx], ax
        inc     rcx
        cmp     rcx, rdx
        jb      .loop
.done:
        ret
.nan:
        mov     eax, 0x7e00
        jmp     .store
.inf:
        mov     eax, 0x7c00
        jmp     .store
.subnormal:
        mov     [rsp - 4], eax
        fld     dword [rsp - 4]
        fadd    dword [rel half]
        fstp    dword [rsp - 4]
        mov     eax, [rsp - 4]
        sub     eax, 0x3f000000         ; 0.5
        jmp     .store

section .rodata
        align   4
half:   dd      0.5

section .note.GNU-stack noalloc noexec nowrite progbits
