; A plug-in in assembly alone: add_f32 with SSE, and the tables of include/assay/plugin.h.
; nasm -f elf64 add.asm && cc -shared add.o -o add.so
default rel
global assay_plugin_v1:function

section .rodata
kernel:     db "add_f32", 0
label:      db "sse_asm", 0
plug_in:    db "asm", 0
version:    db "1.0", 0
license:    db "MIT", 0

section .data.rel.ro progbits alloc noexec write align=8
variants:               ; struct assay_variant
    dq kernel, label
    dd 1, 0             ; contract, padding
    dq 0                ; features: none beyond x86-64's first level
    dq add              ; run
    dq 0, 0             ; pack, layout
    dd 0, 0             ; flags, padding
    dq 0, 0             ; claim, prepare
plugin:                 ; struct assay_plugin
    dd 1, plugin_end - plugin
    dq plug_in, version, license
    dq variants, 1
    dq 0                ; files
plugin_end:

section .text
assay_plugin_v1:
    lea     rax, [plugin]
    ret

; void add(float* out, const float* a, const float* b, size_t n)
add:
    xor     eax, eax
    mov     r8, rcx
    and     r8, -4
    jz      .tail
.four:
    movups  xmm0, [rsi + rax * 4]
    movups  xmm1, [rdx + rax * 4]
    addps   xmm0, xmm1
    movups  [rdi + rax * 4], xmm0
    add     rax, 4
    cmp     rax, r8
    jb      .four
.tail:
    cmp     rax, rcx
    jae     .done
    movss   xmm0, [rsi + rax * 4]
    addss   xmm0, [rdx + rax * 4]
    movss   [rdi + rax * 4], xmm0
    inc     rax
    jmp     .tail
.done:
    ret

section .note.GNU-stack noalloc noexec nowrite progbits
