; size_t argmax_f32_x87(const float* x, size_t n)
;                         rdi             rsi
global argmax_f32_x87
section .text
argmax_f32_x87:
        mov     rax, -1                 ; none yet
        test    rsi, rsi
        jz      .none
        xor     ecx, ecx
        fld     dword [rel infinity]
        fchs
.loop:
        fld     dword [rdi + 4*rcx]
        fucomi  st0, st1
        jp      .smaller                ; a NaN
        ja      .larger
        jb      .smaller
        test    rax, rax                ; -Inf is larger than nothing
        jns     .smaller
.larger:
        fxch    st1
        mov     rax, rcx
.smaller:
        fstp    st0
        inc     rcx
        cmp     rcx, rsi
        jb      .loop
        fstp    st0
        test    rax, rax
        jns     .done
.none:
        xor     eax, eax
.done:
        ret

section .rodata
        align   4
infinity: dd    0x7f800000

section .note.GNU-stack noalloc noexec nowrite progbits
